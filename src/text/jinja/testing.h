// Templates with what Jinja made of them, for tests: JSON Lines as tools/chat_fixtures.py writes them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "text/jinja/template.h"

namespace circuit::jinja {

// In the order of the file, as Python's dicts are.
using OrderedJson = nlohmann::ordered_json;

// When it is for strftime_now: 15 January 2026, 12:00 UTC; far enough from midnight everywhere.
constexpr int64_t kNow = 1'768'478'400;

inline Value value_of_json(Runtime& runtime, const OrderedJson& json) {
  if (json.is_null()) return None{};
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return runtime.text(json.get<std::string>());
  if (json.is_array()) {
    Values items;
    for (const OrderedJson& item : json) items.push_back(value_of_json(runtime, item));
    return runtime.list(std::move(items));
  }
  std::vector<std::pair<Value, Value>> entries;
  for (const auto& [key, item] : json.items()) entries.emplace_back(runtime.text(key), value_of_json(runtime, item));
  return runtime.dict(std::move(entries));
}

inline std::string render_json(const Template& chat, const OrderedJson& variables) {
  return chat
      .render([&](Runtime& runtime) {
        Named named;
        named.emplace_back("strftime_now", make_strftime_now(kNow));
        for (const auto& [name, value] : variables.items()) named.emplace_back(name, value_of_json(runtime, value));
        return named;
      })
      .text;
}

}  // namespace circuit::jinja
