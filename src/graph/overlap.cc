#include "graph/overlap.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>

namespace circuit {
namespace {

double share(int64_t both, int64_t either) {
  return either == 0 ? 1.0 : static_cast<double>(both) / static_cast<double>(either);
}

}  // namespace

double jaccard_edges(const Circuit& a, const Circuit& b) {
  std::vector<int64_t> both;
  std::set_intersection(a.edges.begin(), a.edges.end(), b.edges.begin(), b.edges.end(), std::back_inserter(both));
  const auto n = static_cast<int64_t>(both.size());
  return share(n, static_cast<int64_t>(a.edges.size() + b.edges.size()) - n);
}

double jaccard_nodes(const CircuitNodes& a, const CircuitNodes& b) {
  int64_t both = 0;
  int64_t either = 0;
  const auto count = [&](const std::vector<bool>& x, const std::vector<bool>& y) {
    for (size_t i = 0; i < x.size(); ++i) {
      both += x[i] && y[i];
      either += x[i] || y[i];
    }
  };
  count(a.upstream, b.upstream);
  count(a.downstream, b.downstream);
  return share(both, either);
}

int64_t entered(const Circuit& before, const Circuit& after) {
  std::vector<int64_t> fresh;
  std::set_difference(after.edges.begin(), after.edges.end(), before.edges.begin(), before.edges.end(),
                      std::back_inserter(fresh));
  return static_cast<int64_t>(fresh.size());
}

std::vector<double> ranks_of(const std::vector<float>& values) {
  // Order and value in one integer, as sorting those takes a third of the time: the bits of a float rise with it once
  // those of negative numbers are turned over. Adding zero makes −0 the 0 that it equals.
  std::vector<uint64_t> order(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const float value = values[i] + 0.0F;
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    bits = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
    order[i] = uint64_t{bits} << 32 | i;
  }
  std::sort(order.begin(), order.end());
  std::vector<double> rank(values.size());
  for (size_t i = 0; i < order.size();) {
    size_t end = i + 1;
    while (end < order.size() && order[end] >> 32 == order[i] >> 32) ++end;
    for (size_t k = i; k < end; ++k) rank[order[k] & 0xFFFFFFFFU] = 0.5 * static_cast<double>(i + end - 1);
    i = end;
  }
  return rank;
}

double rank_correlation(const std::vector<float>& a, const std::vector<float>& b) {
  return correlation_of_ranks(ranks_of(a), ranks_of(b));
}

double correlation_of_ranks(const std::vector<double>& x, const std::vector<double>& y) {
  const double mean = 0.5 * (static_cast<double>(x.size()) - 1);
  double xx = 0;
  double yy = 0;
  double xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
    xy += (x[i] - mean) * (y[i] - mean);
  }
  if (xx == 0 || yy == 0) return std::numeric_limits<double>::quiet_NaN();
  return xy / std::sqrt(xx * yy);
}

}  // namespace circuit
