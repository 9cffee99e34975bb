// A number with its interval, for machines and for people.
#pragma once

#include <string>

#include "evaluation/bootstrap.h"
#include "io/json.h"

namespace circuit {

// {"value", "low", "high"}; null where it is not defined.
Json estimate_json(const Estimate& e);
// Of that JSON: "0.8123  (0.7900 to 0.8300)".
std::string interval_text(const Json& json);
// For cells and sentences: "0.812 (0.790 to 0.830)".
std::string short_estimate(const Estimate& e);
std::string short_estimate(const Json& json);

}  // namespace circuit
