#include "text/json_shape.h"

#include <algorithm>

#include "core/error.h"
#include "text/unicode.h"

namespace circuit {

std::string require_type(const Json& json, const std::string& place) {
  if (!json.is_object()) fail(place, "found a {}, expected an object.", json.type_name());
  return require_string(json, "type", place);
}

void refuse_unknown_keys(const Json& object, std::initializer_list<const char*> known, const std::string& place) {
  for (const auto& [key, value] : object.items()) {
    const bool is_known =
        key == "type" || std::any_of(known.begin(), known.end(), [&name = key](const char* k) { return name == k; });
    if (!is_known) fail(place, "{}: not a key this version knows.", key);
  }
}

const Json& require_array(const Json& object, const std::string& key, const std::string& place) {
  const Json& value = require(object, key, place);
  if (!value.is_array()) fail(place, "{}: found a {}, expected an array.", key, value.type_name());
  return value;
}

std::string optional_character(const Json& object, const std::string& key, const std::string& fallback,
                               const std::string& place) {
  std::string value = optional_string(object, key, fallback, place);
  if (value.empty() || code_point_at(value, 0).size != value.size()) {
    fail(place, "{}: found '{}', expected one character.", key, value);
  }
  return value;
}

void check_growth(double growth, const std::string& place) {
  if (growth > kMaxGrowth) {
    fail(place, "these steps could lengthen a text more than {}-fold, which no tokenizer in use does.", kMaxGrowth);
  }
}

}  // namespace circuit
