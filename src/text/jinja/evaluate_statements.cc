#include "text/jinja/evaluator.h"
#include "text/jinja/loop.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"

namespace circuit::jinja {

Flow Evaluator::run(const Stmts& body, Scope& scope, TextBuilder& out) {
  const Nested nested(runtime_);
  for (const auto& statement : body) {
    runtime_.line = statement->line;
    runtime_.charge(1);
    const Flow flow = run_one(*statement, scope, out);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Flow Evaluator::run_one(const Stmt& statement, Scope& scope, TextBuilder& out) {
  switch (statement.kind) {
    case StmtKind::kText:
      runtime_.charge_bytes(statement.name.size());
      runtime_.reserve(out.size() + statement.name.size());
      out.add(statement.name);
      break;
    case StmtKind::kOutput:
      print_value(runtime_, value_of(*statement.exprs[0], scope), out);
      break;
    case StmtKind::kIf:
      return run_if(statement, scope, out);
    case StmtKind::kFor:
      return run_for(statement, scope, out);
    case StmtKind::kSet:
      assign(*statement.exprs[0], value_of(*statement.exprs[1], scope), scope);
      break;
    case StmtKind::kSetBlock: {
      Value text = text_of(statement.bodies[0], scope);
      if (statement.exprs[1] != nullptr) text = filtered(*statement.exprs[1], scope, &text);
      assign(*statement.exprs[0], std::move(text), scope);
      break;
    }
    case StmtKind::kMacro:
      scope.set(statement.name, make_macro(statement, scope, statement.exprs.size()));
      break;
    case StmtKind::kCall: {
      const Value caller = make_macro(statement, scope, statement.exprs.size() - 1);
      print_value(runtime_, called(*statement.exprs.back(), scope, &caller), out);
      break;
    }
    case StmtKind::kFilter: {
      const Value text = text_of(statement.bodies[0], scope);
      print_value(runtime_, filtered(*statement.exprs[0], scope, &text), out);
      break;
    }
    case StmtKind::kScope:
      print_value(runtime_, text_of(statement.bodies[0], scope), out);
      break;
    case StmtKind::kWith: {
      Scope inner(&scope);
      for (size_t i = 0; i < statement.exprs.size(); i += 2) {
        assign(*statement.exprs[i], value_of(*statement.exprs[i + 1], scope), inner);
      }
      return run(statement.bodies[0], inner, out);
    }
    case StmtKind::kBreak:
      return Flow::kBreak;
    case StmtKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

Flow Evaluator::run_if(const Stmt& statement, Scope& scope, TextBuilder& out) {
  for (size_t i = 0; i < statement.exprs.size(); ++i) {
    if (truth(value_of(*statement.exprs[i], scope))) return run(statement.bodies[i], scope, out);
  }
  const bool has_else = statement.bodies.size() > statement.exprs.size();
  return has_else ? run(statement.bodies.back(), scope, out) : Flow::kNext;
}

Flow Evaluator::run_for(const Stmt& statement, Scope& scope, TextBuilder& out) {
  const Expr& target = *statement.exprs[0];
  const Value list = value_of(*statement.exprs[1], scope);
  LoopState::Keeps keeps;
  if (statement.exprs[2] != nullptr) {
    keeps = [&](const Value& item) {
      runtime_.charge(1);
      Scope inner(&scope);
      assign(target, item, inner);
      return truth(value_of(*statement.exprs[2], inner));
    };
  }
  LoopState state(items_of(runtime_, list), std::move(keeps), 1);
  // Jinja notes that there was an item behind the loop's body: a body that is left on its first item counts as none.
  bool has_run = false;
  while (std::optional<Value> item = state.next()) {
    runtime_.charge(1);
    Scope inner(&scope);
    assign(target, std::move(*item), inner);
    inner.set("loop", &state);
    const Flow flow = run(statement.bodies[0], inner, out);
    if (flow == Flow::kBreak) break;
    if (flow == Flow::kContinue) continue;
    has_run = true;
  }
  if (has_run || statement.bodies[1].empty()) return Flow::kNext;
  Scope inner(&scope);
  return run(statement.bodies[1], inner, out);
}

void Evaluator::assign(const Expr& target, Value value, Scope& scope) {
  if (target.kind == ExprKind::kName) return scope.set(target.name, std::move(value));
  if (target.kind == ExprKind::kAttribute) return assign_attribute(target, std::move(value), scope);
  const Values items = items_of(runtime_, value);
  if (items.size() != target.children.size()) {
    runtime_.refuse("{} names are set to {} values.", target.children.size(), items.size());
  }
  for (size_t i = 0; i < items.size(); ++i) assign(*target.children[i], items[i], scope);
}

void Evaluator::assign_attribute(const Expr& target, Value value, const Scope& scope) {
  const Value holder = value_of(*target.children[0], scope);
  Namespace* space = holder.space();
  if (space == nullptr) runtime_.refuse("{} is set on {}, expected a namespace.", target.name, type_name(holder));
  runtime_.check_storable(value);
  if (target.name[0] == '_') runtime_.refuse("{} is set on a namespace: the name begins with '_'.", target.name);
  for (auto& [name, held] : space->values) {
    if (name != target.name) continue;
    held = std::move(value);
    return;
  }
  space->values.emplace_back(target.name, std::move(value));
}

Value Evaluator::text_of(const Stmts& body, Scope& scope) {
  Scope inner(&scope);
  TextBuilder built;
  run(body, inner, built);
  return runtime_.text(std::move(built));
}

Value Evaluator::make_macro(const Stmt& statement, const Scope& scope, size_t defaults) {
  const std::string name = statement.kind == StmtKind::kMacro ? statement.name : "caller";
  const auto call = [this, statement = &statement, scope = &scope, defaults](Runtime&, Arguments& arguments) {
    return call_macro(*statement, *scope, defaults, arguments);
  };
  return std::make_shared<const Function>(Function{name, call});
}

Value Evaluator::call_macro(const Stmt& statement, const Scope& scope, size_t defaults, Arguments& arguments) {
  const Nested nested(runtime_);
  const int line = runtime_.line;
  const size_t count = statement.parameters.size();
  const std::string& name = statement.kind == StmtKind::kMacro ? statement.name : "caller";
  if (arguments.positional.size() > count) {
    runtime_.refuse("{} takes {} arguments and is given {}.", name, count, arguments.positional.size());
  }
  Scope inner(&scope);
  std::vector<bool> used(arguments.named.size());
  for (size_t i = 0; i < count; ++i) {
    const std::string& parameter = statement.parameters[i];
    const Value* given = i < arguments.positional.size() ? &arguments.positional[i] : nullptr;
    for (size_t n = 0; n < arguments.named.size(); ++n) {
      if (arguments.named[n].first != parameter) continue;
      if (given != nullptr) runtime_.refuse("{} is given '{}' twice.", name, parameter);
      given = &arguments.named[n].second;
      used[n] = true;
    }
    Value value = runtime_.undefined(fmt::format("parameter '{}' was not provided", parameter));
    const size_t first_default = count - defaults;
    if (given != nullptr) {
      value = *given;
    } else if (i >= first_default) {
      value = value_of(*statement.exprs[i - first_default], inner);
    }
    inner.set(parameter, std::move(value));
  }
  for (size_t n = 0; n < used.size(); ++n) {
    if (used[n]) continue;
    if (arguments.named[n].first != "caller")
      runtime_.refuse("{} has no parameter '{}'.", name, arguments.named[n].first);
    inner.set("caller", arguments.named[n].second);
  }
  TextBuilder built;
  run(statement.bodies[0], inner, built);
  runtime_.line = line;
  return runtime_.text(std::move(built));
}

}  // namespace circuit::jinja
