#include "dynamics/survival.h"

#include <cmath>
#include <limits>
#include <map>

#include "graph/overlap.h"

namespace circuit {

double retention(const std::vector<Circuit>& circuits, int64_t lag) {
  int64_t all = 0;
  int64_t there = 0;
  for (size_t i = 0; i + static_cast<size_t>(lag) < circuits.size(); ++i) {
    const auto size = static_cast<int64_t>(circuits[i].edges.size());
    all += size;
    there += size - entered(circuits[i + static_cast<size_t>(lag)], circuits[i]);
  }
  return all == 0 ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(there) / static_cast<double>(all);
}

std::optional<double> half_life(const std::vector<int64_t>& lags, const std::vector<double>& retained) {
  for (size_t i = 1; i < lags.size(); ++i) {
    if (!(retained[i] <= 0.5)) continue;  // NaN: nothing is known there
    const double fall = retained[i - 1] - retained[i];
    const double share = fall > 0 ? (retained[i - 1] - 0.5) / fall : 1;
    return static_cast<double>(lags[i - 1]) + share * static_cast<double>(lags[i] - lags[i - 1]);
  }
  return std::nullopt;
}

Stays stays(const std::vector<Circuit>& circuits) {
  std::map<int64_t, int64_t> since;  // edge → discovery it entered at
  std::map<int64_t, int64_t> ended;  // length → stays that ended
  std::map<int64_t, int64_t> cut;    // length → stays cut off by the end of the run
  Stays result;
  for (size_t i = 0; i < circuits.size(); ++i) {
    const auto now = static_cast<int64_t>(i);
    std::map<int64_t, int64_t> still;
    for (const int64_t edge : circuits[i].edges) {
      const auto found = since.find(edge);
      still[edge] = found == since.end() ? now : found->second;
      if (found != since.end()) since.erase(found);
    }
    for (const auto& [edge, from] : since) ++ended[now - from];
    since = std::move(still);
  }
  for (const auto& [edge, from] : since) ++cut[static_cast<int64_t>(circuits.size()) - from];
  int64_t at_risk = 0;
  for (const auto& [length, count] : ended) at_risk += count;
  for (const auto& [length, count] : cut) {
    at_risk += count;
    result.censored += count;
  }
  result.count = at_risk;
  double survival = 1;
  auto next_cut = cut.begin();
  for (const auto& [length, count] : ended) {
    for (; next_cut != cut.end() && next_cut->first < length; ++next_cut) at_risk -= next_cut->second;
    survival *= 1 - static_cast<double>(count) / static_cast<double>(at_risk);
    at_risk -= count;
    if (survival <= 0.5) {
      result.median = static_cast<double>(length);
      break;
    }
  }
  return result;
}

}  // namespace circuit
