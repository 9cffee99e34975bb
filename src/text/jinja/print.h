// How values print: Python's str and repr, and JSON as Python's json.dumps writes it.
#pragma once

#include <optional>

#include "text/jinja/runtime.h"

namespace circuit::jinja {

// str(value), as an output statement prints it. Refuses functions, namespaces and generators.
void print_value(Runtime& runtime, const Value& value, TextBuilder& out);
// The value as a text; a text as it is.
Value to_text(Runtime& runtime, const Value& value);

struct JsonForm {
  std::optional<std::string> indent;  // of one level; none: on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
  bool ascii = false;
};
void print_json(Runtime& runtime, const Value& value, const JsonForm& form, TextBuilder& out);

// The shortest digits that read back as `value`, as Python's repr.
std::string python_float(double value);

}  // namespace circuit::jinja
