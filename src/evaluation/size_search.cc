#include "evaluation/size_search.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace circuit {
namespace {

constexpr double kGridRatio = 1.5;
constexpr double kCloseEnough = 0.02;
// With the grid's ratio, seven steps twice are 0.8 % each: two more passes do.
constexpr int kSteps = 7;

std::vector<int64_t> grid(int64_t most) {
  std::vector<int64_t> sizes;
  for (int64_t n = 1; n < most; n = std::max<int64_t>(n + 1, std::llround(static_cast<double>(n) * kGridRatio)))
    sizes.push_back(n);
  sizes.push_back(most);
  return sizes;
}

// Sizes strictly between, evenly spaced as a ratio.
std::vector<int64_t> between(int64_t low, int64_t high) {
  std::set<int64_t> sizes;
  const double ratio = static_cast<double>(high) / static_cast<double>(low);
  for (int i = 1; i < kSteps; ++i) {
    const int64_t n = std::llround(static_cast<double>(low) * std::pow(ratio, static_cast<double>(i) / kSteps));
    if (n > low && n < high) sizes.insert(n);
  }
  // Rounding may leave none where there is one.
  if (sizes.empty()) sizes.insert((low + high) / 2);
  return {sizes.begin(), sizes.end()};
}

bool close(int64_t low, int64_t high) {
  return high - low <= 1 || static_cast<double>(high - low) <= kCloseEnough * static_cast<double>(high);
}

}  // namespace

SizeFound smallest_reaching(int64_t most, double target, const MeasureSizes& measure) {
  std::map<int64_t, double> tried;
  if (most < 1) return {};
  const auto run = [&](const std::vector<int64_t>& sizes) {
    const std::vector<double> values = measure(sizes);
    for (size_t i = 0; i < sizes.size(); ++i) tried[sizes[i]] = values[i];
  };
  const auto first_reaching = [&] {
    return std::find_if(tried.begin(), tried.end(), [&](const auto& t) { return t.second >= target; });
  };
  run(grid(most));
  while (true) {
    const auto found = first_reaching();
    if (found == tried.end()) {
      const auto best = std::max_element(tried.begin(), tried.end(), [](const auto& a, const auto& b) {
        return std::isnan(a.second) ? !std::isnan(b.second) : a.second < b.second;
      });
      return {false, best->first, best->second, 0, 0};
    }
    if (found == tried.begin()) return {true, found->first, found->second, 0, 0};
    const auto below = std::prev(found);
    if (close(below->first, found->first)) return {true, found->first, found->second, below->first, below->second};
    run(between(below->first, found->first));
  }
}

}  // namespace circuit
