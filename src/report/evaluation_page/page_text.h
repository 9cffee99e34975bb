// Numbers and names as the pages of evaluations write them.
#pragma once

#include <string>

#include "evaluation/bootstrap.h"
#include "io/json.h"

namespace circuit {

// A share to a tenth of a per cent: what the bootstrap can tell. The space does not break.
std::string percent(double share);
// A share of edges, which may be far below a tenth of a per cent.
std::string size_share(double share);
// Three decimals, never a negative zero.
std::string decimals(double value);

std::string range_of(const Estimate& e, std::string (*format)(double));
// HTML.
std::string with_range(const Estimate& e, std::string (*format)(double));

// The last part of a path.
std::string own_name(const std::string& path);

// A cell that sorts by `value`.
std::string number_cell(const Json& value, const std::string& shown);

}  // namespace circuit
