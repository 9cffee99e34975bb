#include "text/jinja/evaluator.h"
#include "text/jinja/filters.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"

namespace circuit::jinja {

Value Evaluator::value_of(const Expr& expr, const Scope& scope) {
  const Nested nested(runtime_);
  runtime_.charge(1);
  runtime_.line = expr.line;
  const auto child = [&](size_t i) { return value_of(*expr.children[i], scope); };
  switch (expr.kind) {
    case ExprKind::kConstant:
      return expr.value;
    case ExprKind::kName:
      return name_of(expr, scope);
    case ExprKind::kList:
      return runtime_.list(values_of(expr, scope, 0));
    case ExprKind::kTuple:
      return runtime_.sequence(SequenceKind::kTuple, values_of(expr, scope, 0));
    case ExprKind::kDict:
      return dict_of(expr, scope);
    case ExprKind::kConcat:
      return joined(expr, scope);
    case ExprKind::kBinary: {
      const Value left = child(0);
      const Value right = child(1);
      runtime_.line = expr.line;
      return apply(runtime_, static_cast<Binary>(expr.op), left, right);
    }
    case ExprKind::kNegative:
      return negative(runtime_, child(0));
    case ExprKind::kPositive: {
      const Value value = child(0);
      if (!value.is_number()) runtime_.refuse("+ wants a number, not {}.", type_name(value));
      return value.is_int() ? Value(value.integer()) : value;
    }
    case ExprKind::kNot:
      return !truth(child(0));
    case ExprKind::kAnd: {
      Value left = child(0);
      return truth(left) ? child(1) : left;
    }
    case ExprKind::kOr: {
      Value left = child(0);
      return truth(left) ? left : child(1);
    }
    case ExprKind::kCompare:
      return compared(expr, scope);
    case ExprKind::kCondition:
      if (truth(child(0))) return child(1);
      return expr.children[2] != nullptr ? child(2) : runtime_.undefined("the value of an 'if' without 'else'");
    case ExprKind::kItem: {
      const Value value = child(0);
      const Value key = child(1);
      runtime_.line = expr.line;
      return get_item(runtime_, value, key);
    }
    case ExprKind::kSlice:
      return sliced(expr, scope);
    case ExprKind::kAttribute: {
      const Value value = child(0);
      runtime_.line = expr.line;
      return get_attribute(runtime_, value, expr.name);
    }
    case ExprKind::kCall:
      return called(expr, scope, nullptr);
    case ExprKind::kFilter:
      return filtered(expr, scope, nullptr);
    case ExprKind::kTest: {
      const Value value = child(0);
      Arguments arguments = arguments_of(expr, scope);
      runtime_.line = expr.line;
      return apply_test(runtime_, expr.name, value, arguments);
    }
  }
  return {};
}

Value Evaluator::name_of(const Expr& expr, const Scope& scope) {
  if (const Value* found = scope.find(expr.name)) return *found;
  for (const char* special : {"varargs", "kwargs", "self", "super", "lipsum", "cycler", "joiner"}) {
    if (expr.name == special) runtime_.refuse("'{}' is not supported.", special);
  }
  return runtime_.undefined(fmt::format("'{}' is undefined", expr.name));
}

Values Evaluator::values_of(const Expr& expr, const Scope& scope, size_t from) {
  Values values;
  for (size_t i = from; i < expr.children.size(); ++i) values.push_back(value_of(*expr.children[i], scope));
  return values;
}

Value Evaluator::dict_of(const Expr& expr, const Scope& scope) {
  std::vector<std::pair<Value, Value>> entries;
  for (size_t i = 0; i < expr.children.size(); i += 2) {
    Value key = value_of(*expr.children[i], scope);
    Value value = value_of(*expr.children[i + 1], scope);
    bool is_new = true;
    for (auto& [known, held] : entries) {
      if (!equal(runtime_, known, key)) continue;
      held = value;
      is_new = false;
    }
    if (key.dict() != nullptr) runtime_.refuse("a dict cannot be a key.");
    if (is_new) entries.emplace_back(std::move(key), std::move(value));
  }
  return runtime_.dict(std::move(entries));
}

Value Evaluator::joined(const Expr& expr, const Scope& scope) {
  TextBuilder built;
  for (const auto& part : expr.children) print_value(runtime_, value_of(*part, scope), built);
  return runtime_.text(std::move(built));
}

bool Evaluator::compared(const Expr& expr, const Scope& scope) {
  Value left = value_of(*expr.children[0], scope);
  for (size_t i = 0; i < expr.signs.size(); ++i) {
    Value right = value_of(*expr.children[i + 1], scope);
    runtime_.line = expr.line;
    const std::string& sign = expr.signs[i];
    bool holds = false;
    if (sign == "==" || sign == "!=") {
      holds = equal(runtime_, left, right) == (sign == "==");
    } else if (sign == "in" || sign == "not in") {
      holds = contains(runtime_, right, left) == (sign == "in");
    } else {
      const int order = compare(runtime_, left, right);
      holds = sign == "<" ? order < 0 : sign == "<=" ? order <= 0 : sign == ">" ? order > 0 : order >= 0;
    }
    if (!holds) return false;
    left = std::move(right);
  }
  return true;
}

Value Evaluator::sliced(const Expr& expr, const Scope& scope) {
  Values parts;
  for (const auto& part : expr.children) parts.push_back(part == nullptr ? Value(None{}) : value_of(*part, scope));
  runtime_.line = expr.line;
  return slice(runtime_, parts[0], parts[1], parts[2], parts[3]);
}

Arguments Evaluator::arguments_of(const Expr& expr, const Scope& scope) {
  Arguments arguments{values_of(expr, scope, 1), {}};
  for (const auto& [name, given] : expr.named) {
    const Value value = value_of(*given, scope);
    if (name == "*") {
      for (const Value& item : items_of(runtime_, value)) arguments.positional.push_back(item);
    } else if (name == "**") {
      if (value.dict() == nullptr) runtime_.refuse("** wants a dict, not {}.", type_name(value));
      for (const auto& [key, entry] : value.dict()->entries) {
        if (key.text() == nullptr) runtime_.refuse("**: a key is no text.");
        if (!key.text()->marks.empty()) runtime_.refuse("**: a key comes from a message.");
        arguments.named.emplace_back(key.text()->bytes, entry);
      }
    } else {
      arguments.named.emplace_back(name, value);
    }
  }
  return arguments;
}

Value Evaluator::called(const Expr& expr, const Scope& scope, const Value* caller) {
  const Value callee = value_of(*expr.children[0], scope);
  Arguments arguments = arguments_of(expr, scope);
  if (caller != nullptr) arguments.named.emplace_back("caller", *caller);
  runtime_.line = expr.line;
  if (const Undefined* u = callee.as<Undefined>()) runtime_.refuse("{}, and it is called.", *u->what);
  if (callee.loop() != nullptr) runtime_.refuse("recursive loops are not supported.");
  if (callee.function() == nullptr) runtime_.refuse("{} is called as a function.", type_name(callee));
  Value result = callee.function()->call(runtime_, arguments);
  runtime_.line = expr.line;
  return result;
}

Value Evaluator::filtered(const Expr& expr, const Scope& scope, const Value* value) {
  Value input;
  if (expr.children[0] == nullptr) {
    input = *value;
  } else if (value != nullptr && expr.children[0]->kind == ExprKind::kFilter) {
    input = filtered(*expr.children[0], scope, value);
  } else {
    input = value_of(*expr.children[0], scope);
  }
  Arguments arguments = arguments_of(expr, scope);
  runtime_.line = expr.line;
  return apply_filter(runtime_, expr.name, input, arguments);
}

}  // namespace circuit::jinja
