// The text of a template to its tree.
#pragma once

#include <string_view>

#include "text/jinja/ast.h"

namespace circuit::jinja {

// Expressions and statements inside one another, at most.
constexpr int kMaxNesting = 100;
constexpr int kMaxExprDepth = 500;

// Throws Error "[place:line] …" for a syntax error and for a statement that is not supported, naming it.
Stmts parse_template(std::string_view source, const std::string& place);

}  // namespace circuit::jinja
