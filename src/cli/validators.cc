#include "cli/validators.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <limits>

namespace circuit {
namespace {

CLI::Validator in_range(double low, double high, const std::string& expected) {
  const auto check = [low, high, expected](std::string& text) -> std::string {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    const bool number = !text.empty() && *end == '\0';
    if (number && std::isfinite(value) && value >= low && value <= high) return "";
    return fmt::format("found {}, expected {}", text, expected);
  };
  return CLI::Validator(check, expected);
}

}  // namespace

CLI::Validator at_least(double low) {
  return in_range(low, std::numeric_limits<double>::max(), fmt::format("{} or more", low));
}

CLI::Validator between(double low, double high) { return in_range(low, high, fmt::format("{} to {}", low, high)); }

}  // namespace circuit
