// What stands behind a value: places, slices, attributes, calls, filters, tests.
#include "text/jinja/expression_parser.h"

namespace circuit::jinja {

ExprPtr ExpressionParser::postfix(ExprPtr value) {
  for (;;) {
    const int line = tokens_.now().line;
    if (tokens_.is_sign("[")) {
      value = subscript(std::move(value));
    } else if (tokens_.is_sign("(")) {
      value = make(ExprKind::kCall, line, listed(std::move(value)));
      arguments(*value);
    } else if (tokens_.skip_sign(".")) {
      if (tokens_.is(TokenKind::kInteger)) {
        value = make(ExprKind::kItem, line, listed(std::move(value), primary()));
      } else {
        value = make(ExprKind::kAttribute, line, listed(std::move(value)), tokens_.expect_name());
      }
    } else {
      return value;
    }
  }
}

ExprPtr ExpressionParser::slice_part() { return tokens_.is_sign(":") || tokens_.is_sign("]") ? nullptr : expression(); }

ExprPtr ExpressionParser::subscript(ExprPtr value) {
  const int line = tokens_.take().line;
  ExprPtr first = slice_part();
  if (tokens_.is_sign(",")) tokens_.refuse("several indices in brackets are not supported.");
  if (!tokens_.is_sign(":")) {
    if (first == nullptr) tokens_.refuse("found {}, expected an index.", tokens_.describe());
    tokens_.expect_sign("]");
    return make(ExprKind::kItem, line, listed(std::move(value), std::move(first)));
  }
  std::vector<ExprPtr> children = listed(std::move(value));
  children.push_back(std::move(first));
  tokens_.take();
  children.push_back(slice_part());
  children.push_back(tokens_.skip_sign(":") ? slice_part() : nullptr);
  tokens_.expect_sign("]");
  return make(ExprKind::kSlice, line, std::move(children));
}

void ExpressionParser::arguments(Expr& call) {
  tokens_.expect_sign("(");
  bool first = true;
  while (!tokens_.is_sign(")")) {
    if (!first) tokens_.expect_sign(",");
    first = false;
    if (tokens_.is_sign(")")) break;
    if (tokens_.is_sign("*") || tokens_.is_sign("**")) {
      const std::string stars = tokens_.take().text;
      call.named.emplace_back(stars, expression());
      continue;
    }
    const bool is_named =
        tokens_.is(TokenKind::kName) && tokens_.ahead().kind == TokenKind::kSign && tokens_.ahead().text == "=";
    if (is_named) {
      const std::string name = tokens_.take().text;
      tokens_.take();
      call.named.emplace_back(name, expression());
    } else {
      if (!call.named.empty()) tokens_.refuse("an argument without a name stands behind one with a name.");
      call.children.push_back(expression());
    }
  }
  tokens_.expect_sign(")");
  update_depth(call);
}

ExprPtr ExpressionParser::filters(ExprPtr value, bool bare) {
  while (bare || tokens_.skip_sign("|")) {
    bare = false;
    const int line = tokens_.now().line;
    std::string name = tokens_.expect_name();
    while (tokens_.skip_sign(".")) name += "." + tokens_.expect_name();
    std::vector<ExprPtr> children;
    children.push_back(std::move(value));
    value = make(ExprKind::kFilter, line, std::move(children), name);
    if (tokens_.is_sign("(")) arguments(*value);
  }
  return value;
}

ExprPtr ExpressionParser::filters_and_tests(ExprPtr value) {
  for (;;) {
    if (tokens_.is_sign("|")) {
      value = filters(std::move(value), false);
    } else if (tokens_.is_name("is")) {
      value = test(std::move(value));
    } else if (tokens_.is_sign("(")) {
      value = make(ExprKind::kCall, tokens_.now().line, listed(std::move(value)));
      arguments(*value);
    } else {
      return value;
    }
  }
}

ExprPtr ExpressionParser::test(ExprPtr value) {
  const int line = tokens_.take().line;
  const bool negated = tokens_.skip_name("not");
  std::string name = tokens_.expect_name();
  ExprPtr expr = make(ExprKind::kTest, line, listed(std::move(value)), name);
  const TokenKind kind = tokens_.now().kind;
  const bool names_more =
      kind == TokenKind::kName && !tokens_.is_name("else") && !tokens_.is_name("or") && !tokens_.is_name("and");
  const bool begins_value = names_more || kind == TokenKind::kString || kind == TokenKind::kInteger ||
                            kind == TokenKind::kFloat || tokens_.is_sign("[") || tokens_.is_sign("{");
  if (tokens_.is_sign("(")) {
    arguments(*expr);
  } else if (begins_value) {
    if (tokens_.is_name("is")) tokens_.refuse("tests cannot be chained with 'is'.");
    expr->children.push_back(postfix(primary()));
    update_depth(*expr);
  }
  return negated ? make(ExprKind::kNot, line, listed(std::move(expr))) : std::move(expr);
}

ExprPtr ExpressionParser::call_expression() {
  ExprPtr call = unary(WithFilters::kNo);
  if (call->kind != ExprKind::kCall) tokens_.refuse("a call block wants a call.");
  return call;
}

}  // namespace circuit::jinja
