// What expressions do to values, as Python does it.
#pragma once

#include <optional>

#include "text/jinja/runtime.h"

namespace circuit::jinja {

std::string type_name(const Value& value);  // "a list", for refusals
bool truth(const Value& value);
bool equal(Runtime& runtime, const Value& a, const Value& b);
// Below, at or above zero, as a is before, beside or after b; refuses what Python does not order.
int compare(Runtime& runtime, const Value& a, const Value& b);
bool contains(Runtime& runtime, const Value& container, const Value& item);

enum class Binary { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower };
Value apply(Runtime& runtime, Binary op, const Value& a, const Value& b);
Value negative(Runtime& runtime, const Value& value);
// "%s" % value, of texts and numbers.
Value percent_format(Runtime& runtime, const Text& format, const Value& value);

// Of a text, a list, a dict, nothing at all; refuses what has no length.
int64_t length_of(Runtime& runtime, const Value& value);
bool is_iterable(const Value& value);
// What a loop over the value goes through: characters of a text, keys of a dict. Spends a generator.
Values items_of(Runtime& runtime, const Value& value);

const Value* find_key(Runtime& runtime, const Dict& dict, const Value& key);
const Value* find_key(const Dict& dict, std::string_view key);
// value[key], and value.name: a place of the value, else its method, else undefined. An attribute is looked for the
// other way round.
Value get_item(Runtime& runtime, const Value& value, const Value& key);
Value get_attribute(Runtime& runtime, const Value& value, const std::string& name);
// As value[key] without the methods; the path "a.b.0" of filters' attribute=.
Value get_path(Runtime& runtime, const Value& value, const Value& path);
Value slice(Runtime& runtime, const Value& value, const Value& start, const Value& stop, const Value& step);

// A method of a text, list, dict or loop as a function; nothing where it has none of that name.
std::optional<Value> find_method(Runtime& runtime, const Value& value, const std::string& name);

// With & < > " ' as HTML writes them.
Value escaped(Runtime& runtime, const Value& value);

}  // namespace circuit::jinja
