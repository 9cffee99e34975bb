// Reading the tagged objects of a tokenizer.json, so that nothing in them is passed over silently.
#pragma once

#include <initializer_list>
#include <string>

#include "io/json.h"

namespace circuit {

// Throws Error unless `json` is an object with a string under "type"; returns that string.
std::string require_type(const Json& json, const std::string& place);

// Throws Error naming the first key of `object` that is not among `known` ("type" always is).
void refuse_unknown_keys(const Json& object, std::initializer_list<const char*> known, const std::string& place);

// The array under `key`; Error when it is missing or of another type.
const Json& require_array(const Json& object, const std::string& key, const std::string& place);

// The one character under `key`, as UTF-8; `fallback` where it is absent.
std::string optional_character(const Json& object, const std::string& key, const std::string& fallback,
                               const std::string& place);

// A chain of steps may lengthen a text at most this many times over; real chains do 3-fold. Without it a
// file of a few hundred bytes ("a" → "aa", forty times) would fill the memory.
constexpr double kMaxGrowth = 4096;

// Throws Error when growth, the product over the steps of a chain, is above kMaxGrowth.
void check_growth(double growth, const std::string& place);

}  // namespace circuit
