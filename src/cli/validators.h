// What a flag's number may be. Unlike CLI11's own checks these refuse nan and inf, and say the range in a few digits.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace circuit {

// A finite number from `low` (to `high`, both included). The flag's type says whether it must be whole.
CLI::Validator at_least(double low);
CLI::Validator between(double low, double high);

}  // namespace circuit
