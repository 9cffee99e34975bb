// Methods of texts, lists and dicts.
#pragma once

#include <optional>

#include "text/jinja/runtime.h"

namespace circuit::jinja {

// Nothing where a text has no such method.
std::optional<Value> text_method(const Value& self, const std::string& name);

// str.replace; `most` occurrences from the left.
Value replaced(Runtime& runtime, const Text& self, const Text& old, const Text& with, int64_t most);

}  // namespace circuit::jinja
