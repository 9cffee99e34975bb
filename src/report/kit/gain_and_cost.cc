#include "report/kit/gain_and_cost.h"

#include <algorithm>
#include <cmath>

namespace circuit {
namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

bool lower_is_better(const std::string& number) {
  for (const char* name : {kTouchedShare, kLargestShare, kChangeNorm, kSecondsPerStep, kPeakMemory, kCostAtTarget}) {
    if (number == name) return true;
  }
  for (const char* end :
       {"/perplexity", "/perplexity_per_byte", "/nats_per_token", "/nats_per_byte", "/prejudice_risk", "/kl"}) {
    if (ends_with(number, end)) return true;
  }
  return false;
}

std::vector<bool> pareto_front(const std::vector<ParetoPoint>& points) {
  const auto known = [](const ParetoPoint& p) { return std::isfinite(p.gain) && std::isfinite(p.saving); };
  const auto dominates = [&](const ParetoPoint& a, const ParetoPoint& b) {
    return known(a) && a.gain >= b.gain && a.saving >= b.saving && (a.gain > b.gain || a.saving > b.saving);
  };
  std::vector<bool> front;
  for (const ParetoPoint& p : points) {
    front.push_back(known(p) && std::none_of(points.begin(), points.end(),
                                             [&](const ParetoPoint& other) { return dominates(other, p); }));
  }
  return front;
}

}  // namespace circuit
