// Filters (value | name) and tests (value is name) of Jinja, and those that transformers adds or replaces.
#pragma once

#include <map>
#include <string>

#include "text/jinja/runtime.h"

namespace circuit::jinja {

// Throw Error naming a filter or test that is not supported.
Value apply_filter(Runtime& runtime, const std::string& name, const Value& value, Arguments& arguments);
bool apply_test(Runtime& runtime, const std::string& name, const Value& value, Arguments& arguments);

using Filter = Value (*)(Runtime& runtime, const Value& value, Arguments& arguments);
const std::map<std::string, Filter>& text_filters();
const std::map<std::string, Filter>& number_filters();
const std::map<std::string, Filter>& list_filters();

}  // namespace circuit::jinja
