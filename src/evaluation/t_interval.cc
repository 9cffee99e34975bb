#include "evaluation/t_interval.h"

#include <cmath>

namespace circuit {
namespace {

// A(t | ν): the probability inside ±t. Finite sums for whole ν.
double probability_inside(double t, int64_t degrees) {
  const double theta = std::atan(t / std::sqrt(static_cast<double>(degrees)));
  const double sine = std::sin(theta);
  const double cosine = std::cos(theta);
  const bool odd = degrees % 2 == 1;
  if (degrees == 1) return 2 * theta / M_PI;
  // Terms cos^k with k = 1, 3, … or 0, 2, …, each the one before times (k − 1) / k · cos².
  double term = odd ? cosine : 1;
  double sum = term;
  for (int64_t k = odd ? 3 : 2; k <= degrees - 2; k += 2) {
    term *= static_cast<double>(k - 1) / static_cast<double>(k) * cosine * cosine;
    sum += term;
  }
  return odd ? 2 / M_PI * (theta + sine * sum) : sine * sum;
}

constexpr double kInside = 0.95;

}  // namespace

double t_quantile(int64_t degrees, double inside) {
  double low = 0;
  double high = 1;
  while (probability_inside(high, degrees) < inside) high *= 2;
  constexpr int kHalvings = 60;  // beyond the digits of a double
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (low + high) / 2;
    (probability_inside(middle, degrees) < inside ? low : high) = middle;
  }
  return (low + high) / 2;
}

ReplicateMean replicate_mean(const std::vector<double>& values) {
  ReplicateMean r;
  r.n = static_cast<int64_t>(values.size());
  const auto n = static_cast<double>(r.n);
  for (const double v : values) r.mean += v / n;
  if (r.n < 2) return r;
  double squares = 0;
  for (const double v : values) squares += (v - r.mean) * (v - r.mean);
  const double half = t_quantile(r.n - 1, kInside) * std::sqrt(squares / (n - 1) / n);
  r.interval = Interval{r.mean - half, r.mean + half};
  return r;
}

}  // namespace circuit
