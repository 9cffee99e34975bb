#include "store/number_json.h"

#include <cmath>
#include <limits>

#include "core/error.h"

namespace circuit {

Json number_json(double value) { return std::isfinite(value) ? Json(value) : Json(fmt::format("{}", value)); }

Json numbers_json(const std::map<std::string, double>& values) {
  Json object = Json::object();
  for (const auto& [name, value] : values) object[name] = number_json(value);
  return object;
}

double number_of(const Json& value, const std::string& key, const std::string& place) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (value.is_number()) return value.get<double>();
  if (value.is_null() || value == "nan" || value == "-nan") return std::numeric_limits<double>::quiet_NaN();
  if (value == "inf") return kInfinity;
  if (value == "-inf") return -kInfinity;
  fail(place, "{}: found a {}, expected a number.", key, value.type_name());
}

std::map<std::string, double> numbers_of(const Json& object, const std::string& key, const std::string& place) {
  const Json& values = require(object, key, place);
  if (!values.is_object()) fail(place, "{}: found a {}, expected an object of numbers.", key, values.type_name());
  std::map<std::string, double> numbers;
  for (const auto& [name, value] : values.items()) numbers[name] = number_of(value, key + "." + name, place);
  return numbers;
}

}  // namespace circuit
