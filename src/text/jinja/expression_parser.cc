#include "text/jinja/expression_parser.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "text/jinja/operators.h"
#include "text/jinja/parser.h"

namespace circuit::jinja {

void ExpressionParser::update_depth(Expr& expr) const {
  for (const ExprPtr& child : expr.children) {
    if (child != nullptr) expr.depth = std::max(expr.depth, child->depth + 1);
  }
  for (const auto& argument : expr.named) expr.depth = std::max(expr.depth, argument.second->depth + 1);
  if (expr.depth > kMaxExprDepth) tokens_.refuse("an expression has more than {} levels.", kMaxExprDepth);
}

ExprPtr ExpressionParser::make(ExprKind kind, int line, std::vector<ExprPtr> children, std::string name) const {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->line = line;
  expr->name = std::move(name);
  expr->children = std::move(children);
  update_depth(*expr);
  return expr;
}

ExprPtr ExpressionParser::constant(Value value) const {
  auto expr = std::make_unique<Expr>();
  expr->line = tokens_.now().line;
  expr->value = std::move(value);
  return expr;
}

ExprPtr ExpressionParser::expression(Conditions conditions) {
  const Deeper deeper(this);
  ExprPtr value = either();
  while (conditions == Conditions::kAllowed && tokens_.is_name("if")) {
    const int line = tokens_.take().line;
    ExprPtr when = either();
    ExprPtr otherwise = tokens_.skip_name("else") ? expression() : nullptr;
    std::vector<ExprPtr> children = listed(std::move(when), std::move(value));
    children.push_back(std::move(otherwise));
    value = make(ExprKind::kCondition, line, std::move(children));
  }
  return value;
}

ExprPtr ExpressionParser::either() {
  ExprPtr left = both();
  while (tokens_.is_name("or")) {
    const int line = tokens_.take().line;
    left = make(ExprKind::kOr, line, listed(std::move(left), both()));
  }
  return left;
}

ExprPtr ExpressionParser::both() {
  ExprPtr left = negation();
  while (tokens_.is_name("and")) {
    const int line = tokens_.take().line;
    left = make(ExprKind::kAnd, line, listed(std::move(left), negation()));
  }
  return left;
}

ExprPtr ExpressionParser::negation() {
  if (!tokens_.is_name("not")) return comparison();
  const Deeper deeper(this);
  const int line = tokens_.take().line;
  return make(ExprKind::kNot, line, listed(negation()));
}

ExprPtr ExpressionParser::comparison() {
  const int line = tokens_.now().line;
  std::vector<ExprPtr> operands = listed(sum());
  std::vector<std::string> signs;
  for (;;) {
    const bool is_not_in =
        tokens_.is_name("not") && tokens_.ahead().kind == TokenKind::kName && tokens_.ahead().text == "in";
    std::string sign;
    for (const char* known : {"==", "!=", "<", "<=", ">", ">="}) {
      if (tokens_.is_sign(known)) sign = known;
    }
    if (tokens_.is_name("in")) sign = "in";
    if (is_not_in) {
      tokens_.take();
      sign = "not in";
    }
    if (sign.empty()) break;
    tokens_.take();
    signs.push_back(sign);
    operands.push_back(sum());
  }
  if (signs.empty()) return std::move(operands.front());
  ExprPtr expr = make(ExprKind::kCompare, line, std::move(operands));
  expr->signs = std::move(signs);
  return expr;
}

ExprPtr ExpressionParser::sum() {
  ExprPtr left = concatenation();
  while (tokens_.is_sign("+") || tokens_.is_sign("-")) {
    const TemplateToken sign = tokens_.take();
    left = make(ExprKind::kBinary, sign.line, listed(std::move(left), concatenation()));
    left->op = static_cast<int>(sign.text == "+" ? Binary::kAdd : Binary::kSubtract);
  }
  return left;
}

ExprPtr ExpressionParser::concatenation() {
  const int line = tokens_.now().line;
  std::vector<ExprPtr> parts = listed(product());
  while (tokens_.skip_sign("~")) parts.push_back(product());
  return parts.size() == 1 ? std::move(parts.front()) : make(ExprKind::kConcat, line, std::move(parts));
}

ExprPtr ExpressionParser::product() {
  static const std::map<std::string, Binary> ops{
      {"*", Binary::kMultiply}, {"/", Binary::kDivide}, {"//", Binary::kFloorDivide}, {"%", Binary::kModulo}};
  ExprPtr left = power();
  while (tokens_.is(TokenKind::kSign) && ops.count(tokens_.now().text) > 0) {
    const TemplateToken sign = tokens_.take();
    left = make(ExprKind::kBinary, sign.line, listed(std::move(left), power()));
    left->op = static_cast<int>(ops.at(sign.text));
  }
  return left;
}

ExprPtr ExpressionParser::power() {
  ExprPtr left = unary(WithFilters::kYes);
  while (tokens_.is_sign("**")) {
    const int line = tokens_.take().line;
    left = make(ExprKind::kBinary, line, listed(std::move(left), unary(WithFilters::kYes)));
    left->op = static_cast<int>(Binary::kPower);
  }
  return left;
}

ExprPtr ExpressionParser::unary(WithFilters with_filters) {
  const Deeper deeper(this);
  ExprPtr value;
  if (tokens_.is_sign("-") || tokens_.is_sign("+")) {
    const TemplateToken sign = tokens_.take();
    const ExprKind kind = sign.text == "-" ? ExprKind::kNegative : ExprKind::kPositive;
    value = make(kind, sign.line, listed(unary(WithFilters::kNo)));
  } else {
    value = primary();
  }
  value = postfix(std::move(value));
  return with_filters == WithFilters::kYes ? filters_and_tests(std::move(value)) : std::move(value);
}

ExprPtr ExpressionParser::primary() {
  if (tokens_.is(TokenKind::kString)) {
    std::string text = tokens_.take().text;
    while (tokens_.is(TokenKind::kString)) text += tokens_.take().text;
    return constant(std::make_shared<const Text>(nullptr, std::move(text), std::vector<Mark>(), false));
  }
  if (tokens_.is(TokenKind::kInteger)) {
    const std::string digits = tokens_.now().text;
    int64_t number = 0;
    const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (end.ec != std::errc()) tokens_.refuse("the number {} does not fit 64 bits.", digits);
    tokens_.take();
    return constant(number);
  }
  if (tokens_.is(TokenKind::kFloat)) {
    const std::string digits = tokens_.now().text;
    double number = 0;
    const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (end.ec != std::errc()) tokens_.refuse("the number {} is out of range.", digits);
    tokens_.take();
    return constant(number);
  }
  if (tokens_.is_sign("(")) return parenthesised();
  if (tokens_.is_sign("[")) return list_literal();
  if (tokens_.is_sign("{")) return dict_literal();
  if (!tokens_.is(TokenKind::kName)) tokens_.refuse("found {}, expected an expression.", tokens_.describe());
  const TemplateToken name = tokens_.take();
  if (name.text == "true" || name.text == "True") return constant(true);
  if (name.text == "false" || name.text == "False") return constant(false);
  if (name.text == "none" || name.text == "None") return constant(None{});
  return make(ExprKind::kName, name.line, {}, name.text);
}

ExprPtr ExpressionParser::parenthesised() {
  const int line = tokens_.take().line;
  if (tokens_.skip_sign(")")) return make(ExprKind::kTuple, line, {});
  ExprPtr value = tuple();
  tokens_.expect_sign(")");
  return value;
}

ExprPtr ExpressionParser::tuple(Conditions conditions) {
  const int line = tokens_.now().line;
  std::vector<ExprPtr> items = listed(expression(conditions));
  bool is_tuple = false;
  while (tokens_.skip_sign(",")) {
    is_tuple = true;
    const bool ends = tokens_.is(TokenKind::kBlockEnd) || tokens_.is(TokenKind::kOutputEnd) || tokens_.is_sign(")");
    if (ends || tokens_.is_name("recursive")) break;
    items.push_back(expression(conditions));
  }
  return is_tuple ? make(ExprKind::kTuple, line, std::move(items)) : std::move(items.front());
}

ExprPtr ExpressionParser::target(const char* stop) {
  const int line = tokens_.now().line;
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  const bool in_brackets = tokens_.skip_sign("(");
  do {
    if (!items.empty()) is_tuple = true;
    const bool ends = tokens_.is_sign("=") || tokens_.is_sign(")") || (stop != nullptr && tokens_.is_name(stop));
    if (ends && !items.empty()) break;
    if (tokens_.is_sign("(")) {
      const Deeper deeper(this);
      items.push_back(target(stop));
      continue;
    }
    const TemplateToken name = tokens_.now();
    tokens_.expect_name();
    for (const char* reserved : {"true", "false", "none", "True", "False", "None"}) {
      if (name.text == reserved) tokens_.refuse("'{}' cannot be set.", name.text);
    }
    ExprPtr item = make(ExprKind::kName, name.line, {}, name.text);
    if (stop == nullptr && tokens_.skip_sign(".")) {
      item = make(ExprKind::kAttribute, name.line, listed(std::move(item)), tokens_.expect_name());
    }
    items.push_back(std::move(item));
  } while (tokens_.skip_sign(","));
  if (in_brackets) tokens_.expect_sign(")");
  return is_tuple ? make(ExprKind::kTuple, line, std::move(items)) : std::move(items.front());
}

ExprPtr ExpressionParser::list_literal() {
  const int line = tokens_.take().line;
  std::vector<ExprPtr> items;
  while (!tokens_.is_sign("]")) {
    if (!items.empty()) tokens_.expect_sign(",");
    if (tokens_.is_sign("]")) break;
    items.push_back(expression());
  }
  tokens_.expect_sign("]");
  return make(ExprKind::kList, line, std::move(items));
}

ExprPtr ExpressionParser::dict_literal() {
  const int line = tokens_.take().line;
  std::vector<ExprPtr> items;
  while (!tokens_.is_sign("}")) {
    if (!items.empty()) tokens_.expect_sign(",");
    if (tokens_.is_sign("}")) break;
    items.push_back(expression());
    tokens_.expect_sign(":");
    items.push_back(expression());
  }
  tokens_.expect_sign("}");
  return make(ExprKind::kDict, line, std::move(items));
}

}  // namespace circuit::jinja
