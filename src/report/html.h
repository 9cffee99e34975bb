// What the program's pages are made of: a template, data in a script element, the licences of the bundles.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "io/json.h"

namespace circuit {

// {{name}} → its value, in one pass: what is put in is not searched again. Every name must have one.
std::string fill_template(std::string_view text, const std::map<std::string, std::string>& values);

// JSON that may stand in a script element: a "<" of a name cannot end it or start a comment.
std::string script_json(const Json& value);

// The bundles' licences as they may stand in a comment.
std::string notices_comment();

}  // namespace circuit
