#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "text/jinja/characters.h"
#include "text/jinja/filters.h"
#include "text/jinja/operators.h"

namespace circuit::jinja {
namespace {

// Digits of ASCII with single "_" between them, as Python reads numbers in texts; white space around goes.
std::string number_text(const Text& text) {
  const Kept kept = stripped(text.bytes, nullptr, Side::kBoth);
  std::string digits = text.bytes.substr(kept.begin, kept.end - kept.begin);
  for (size_t i = 1; i + 1 < digits.size(); ++i) {
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (digits[i] == '_' && is_digit(digits[i - 1]) && is_digit(digits[i + 1])) digits.erase(i, 1);
  }
  if (digits.size() > 1 && digits[0] == '+' && digits[1] != '-' && digits[1] != '+') digits.erase(0, 1);
  return digits;
}

std::optional<double> float_of(const Text& text) {
  const std::string digits = number_text(text);
  double number = 0;
  const char* end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, number);
  if (digits.empty() || read.ptr != end || read.ec == std::errc::invalid_argument) return std::nullopt;
  if (read.ec != std::errc()) return std::strtod(digits.c_str(), nullptr);  // beyond the range: 0 or infinity
  return number;
}

Value int_of_float(Runtime& runtime, double number, const Value& fallback) {
  if (std::isnan(number)) return fallback;
  if (std::isinf(number) || std::abs(number) >= 9.2e18) runtime.refuse("int: {} does not fit 64 bits.", number);
  return static_cast<int64_t>(number);
}

Value int_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Signature signature(runtime, "int", arguments);
  Value fallback = signature.optional("default", int64_t{0});
  const Value base = signature.optional("base", int64_t{10});
  signature.finish();
  if (!base.is_int() || base.integer() != 10) runtime.refuse("int: bases other than 10 are not supported.");
  if (const Undefined* u = value.as<Undefined>()) runtime.refuse("{}.", *u->what);
  if (value.is_int()) return value.integer();
  if (value.is_number()) return int_of_float(runtime, value.number(), fallback);
  if (value.text() == nullptr) return fallback;
  const std::string digits = number_text(*value.text());
  int64_t number = 0;
  const char* end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, number);
  if (!digits.empty() && read.ptr == end && read.ec == std::errc::result_out_of_range) {
    runtime.refuse("int: {} does not fit 64 bits.", digits);
  }
  if (!digits.empty() && read.ptr == end) return number;
  const std::optional<double> as_float = float_of(*value.text());
  return as_float ? int_of_float(runtime, *as_float, fallback) : fallback;
}

Value float_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Signature signature(runtime, "float", arguments);
  Value fallback = signature.optional("default", 0.0);
  signature.finish();
  if (const Undefined* u = value.as<Undefined>()) runtime.refuse("{}.", *u->what);
  if (value.is_number()) return value.number();
  if (value.text() == nullptr) return fallback;
  const std::optional<double> number = float_of(*value.text());
  return number ? Value(*number) : fallback;
}

Value abs_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Signature(runtime, "abs", arguments).finish();
  if (!value.is_number()) runtime.refuse("abs: wants a number, not {}.", type_name(value));
  if (!value.is_int()) return std::abs(value.number());
  return value.integer() < 0 ? negative(runtime, value) : value.integer();
}

Value round_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Signature signature(runtime, "round", arguments);
  const Value places = signature.optional("precision", int64_t{0});
  const Value method = signature.optional("method", runtime.text("common"));
  signature.finish();
  if (!value.is_number()) runtime.refuse("round: wants a number, not {}.", type_name(value));
  const int64_t precision = places.is_int() ? places.integer() : -1;
  if (precision < 0 || precision > 20) runtime.refuse("round: such a precision is not supported.");
  const std::string how = method.text() == nullptr ? "" : method.text()->bytes;
  if (how != "common" && how != "ceil" && how != "floor") runtime.refuse("round: method '{}' is not known.", how);
  if (how == "common") {
    if (value.is_int()) return value.integer();
    // The decimal digits of the value itself, rounded half to even: what printf does.
    return std::strtod(fmt::format("{:.{}f}", value.number(), precision).c_str(), nullptr);
  }
  const double power = std::pow(10.0, static_cast<double>(precision));
  const double scaled = value.number() * power;
  return (how == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / power;
}

Value sum_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Signature signature(runtime, "sum", arguments);
  const Value attribute = signature.optional("attribute", None{});
  Value sum = signature.optional("start", int64_t{0});
  signature.finish();
  if (sum.text() != nullptr) runtime.refuse("sum: texts cannot be summed.");
  for (const Value& item : items_of(runtime, value)) {
    sum = apply(runtime, Binary::kAdd, sum, attribute.is_none() ? item : get_path(runtime, item, attribute));
  }
  return sum;
}

}  // namespace

const std::map<std::string, Filter>& number_filters() {
  static const std::map<std::string, Filter> filters{
      {"int", int_filter}, {"float", float_filter}, {"abs", abs_filter}, {"round", round_filter}, {"sum", sum_filter},
  };
  return filters;
}

}  // namespace circuit::jinja
