// Runs the tree of a template.
#pragma once

#include "text/jinja/ast.h"
#include "text/jinja/runtime.h"
#include "text/jinja/scope.h"

namespace circuit::jinja {

enum class Flow { kNext, kBreak, kContinue };

class Evaluator {
 public:
  explicit Evaluator(Runtime* runtime) : runtime_(*runtime) {}

  Flow run(const Stmts& body, Scope& scope, TextBuilder& out);
  Value value_of(const Expr& expr, const Scope& scope);

 private:
  Flow run_one(const Stmt& statement, Scope& scope, TextBuilder& out);
  Flow run_if(const Stmt& statement, Scope& scope, TextBuilder& out);
  Flow run_for(const Stmt& statement, Scope& scope, TextBuilder& out);
  void assign(const Expr& target, Value value, Scope& scope);
  void assign_attribute(const Expr& target, Value value, const Scope& scope);
  Value text_of(const Stmts& body, Scope& scope);  // of a body with a scope of its own
  // The macro of a macro or call statement; it lives no longer than `scope`.
  Value make_macro(const Stmt& statement, const Scope& scope, size_t defaults);
  Value call_macro(const Stmt& statement, const Scope& scope, size_t defaults, Arguments& arguments);

  Value name_of(const Expr& expr, const Scope& scope);
  Values values_of(const Expr& expr, const Scope& scope, size_t from);
  Value dict_of(const Expr& expr, const Scope& scope);
  Value joined(const Expr& expr, const Scope& scope);
  bool compared(const Expr& expr, const Scope& scope);
  Value sliced(const Expr& expr, const Scope& scope);
  Value called(const Expr& expr, const Scope& scope, const Value* caller);
  // `value`: what the innermost filter of a filter block works on; null elsewhere.
  Value filtered(const Expr& expr, const Scope& scope, const Value* value);
  Arguments arguments_of(const Expr& expr, const Scope& scope);

  Runtime& runtime_;
};

}  // namespace circuit::jinja
