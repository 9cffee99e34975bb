#include "task/record_keys.h"

#include "core/error.h"

namespace circuit {

void allow_keys(const Json& object, const std::set<std::string>& known, const std::string& place) {
  for (const auto& [key, value] : object.items()) {
    if (known.count(key) > 0) continue;
    std::string list;
    for (const std::string& k : known) list += (list.empty() ? "" : ", ") + k;
    fail(place, "unknown key '{}'. Known: {}.", key, list);
  }
}

std::vector<std::string> require_strings(const Json& object, const std::string& key, const std::string& place) {
  const Json& list = require(object, key, place);
  if (!list.is_array()) fail(place, "{}: found a {}, expected a list of strings.", key, list.type_name());
  std::vector<std::string> strings;
  for (const Json& item : list) {
    if (!item.is_string()) fail(place, "{}: found a {} in it, expected strings.", key, item.type_name());
    strings.push_back(item.get<std::string>());
  }
  return strings;
}

}  // namespace circuit
