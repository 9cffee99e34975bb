#include "evaluation/estimate_text.h"

#include <fmt/format.h>

#include <cmath>

namespace circuit {

Json estimate_json(const Estimate& e) {
  if (std::isnan(e.value)) return nullptr;
  return {{"value", e.value}, {"low", e.interval.low}, {"high", e.interval.high}};
}

std::string interval_text(const Json& json) {
  if (json.is_null()) return "not defined";
  return fmt::format("{:.4f}  ({:.4f} to {:.4f})", json["value"].get<double>(), json["low"].get<double>(),
                     json["high"].get<double>());
}

std::string short_estimate(const Estimate& e) {
  return fmt::format("{:.3f} ({:.3f} to {:.3f})", e.value, e.interval.low, e.interval.high);
}

std::string short_estimate(const Json& json) {
  if (json.is_null()) return "not defined";
  const auto number = [&](const char* key) { return json[key].get<double>(); };
  return short_estimate(Estimate{number("value"), {number("low"), number("high")}});
}

}  // namespace circuit
