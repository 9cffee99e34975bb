// What the readers of records share.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "io/json.h"

namespace circuit {

// Throws Error naming the first key of the object that is not among `known`, and those that are.
void allow_keys(const Json& object, const std::set<std::string>& known, const std::string& place);

// A list of strings. Throws Error naming the key when it is absent or anything else.
std::vector<std::string> require_strings(const Json& object, const std::string& key, const std::string& place);

}  // namespace circuit
