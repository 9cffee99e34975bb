// A template as a tree.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace circuit::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

enum class ExprKind {
  kConstant,  // value
  kName,      // name
  kList,      // children
  kTuple,     // children
  kDict,      // children: key, value, key, value, …
  kConcat,    // children, joined as texts: a ~ b ~ c
  kBinary,    // two children; op
  kNegative,  // one child
  kPositive,
  kNot,
  kAnd,  // two children
  kOr,
  kCompare,    // the first child against the others, signs of which stand in `signs`
  kCondition,  // children: test, then, else (may be null)
  kItem,       // children: value, key
  kSlice,      // children: value, start, stop, step (may be null)
  kAttribute,  // child; name
  kCall,       // first child: what is called; then arguments; `named`
  kFilter,     // first child (null in filter blocks): the value; then arguments; name
  kTest        // as kFilter
};

struct Expr {
  ExprKind kind = ExprKind::kConstant;
  int line = 0;
  int depth = 1;  // 1 + that of the deepest child
  int op = 0;     // Binary, of kBinary
  std::string name;
  Value value;
  std::vector<ExprPtr> children;
  std::vector<std::string> signs;                      // "==", "in", "not in", …
  std::vector<std::pair<std::string, ExprPtr>> named;  // keyword arguments; "*" and "**": several at once
};

struct Stmt;
using Stmts = std::vector<std::unique_ptr<Stmt>>;

enum class StmtKind {
  kText,      // name: the text
  kOutput,    // exprs[0]
  kIf,        // exprs: one test a body; one body more: else
  kFor,       // exprs: target, list, condition or null; bodies: loop, else
  kSet,       // exprs: target, value
  kSetBlock,  // exprs: target, filters or null; bodies: what is set
  kMacro,     // name; parameters; exprs: defaults of the last ones; bodies
  kCall,      // as kMacro, the last expr being the call that gets the body as `caller`
  kFilter,    // exprs: the filters; bodies
  kScope,     // {% generation %}: a body with a scope of its own
  kWith,      // exprs: target, value, target, value, …; bodies
  kBreak,
  kContinue
};

struct Stmt {
  StmtKind kind = StmtKind::kText;
  int line = 0;
  std::string name;
  std::vector<ExprPtr> exprs;
  std::vector<Stmts> bodies;
  std::vector<std::string> parameters;
};

}  // namespace circuit::jinja
