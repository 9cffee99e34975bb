// Expressions of a template, by Jinja's grammar.
#pragma once

#include <utility>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/parser.h"
#include "text/jinja/token_stream.h"

namespace circuit::jinja {

enum class Conditions { kAllowed, kNone };  // "a if b" at the outermost level

// Children of an expression.
inline std::vector<ExprPtr> listed(ExprPtr a, ExprPtr b = nullptr) {
  std::vector<ExprPtr> children;
  children.push_back(std::move(a));
  if (b != nullptr) children.push_back(std::move(b));
  return children;
}

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream* tokens) : tokens_(*tokens) {}

  ExprPtr expression(Conditions conditions = Conditions::kAllowed);
  // An expression, or several between commas as a tuple; ends before the name `stop` where one is given.
  ExprPtr tuple(Conditions conditions = Conditions::kAllowed);
  // What is assigned to: a name, ns.name, or names between commas. `stop`: the name behind it, or null.
  ExprPtr target(const char* stop);
  // "| filter | filter" over `value`, which may be null; first without its "|" where `bare`.
  ExprPtr filters(ExprPtr value, bool bare);
  void arguments(Expr& call);  // from "(" to ")"
  ExprPtr call_expression();   // of a call block

 private:
  ExprPtr make(ExprKind kind, int line, std::vector<ExprPtr> children, std::string name = "") const;
  ExprPtr constant(Value value) const;
  ExprPtr either();
  ExprPtr both();
  ExprPtr negation();
  ExprPtr comparison();
  ExprPtr sum();
  ExprPtr concatenation();
  ExprPtr product();
  ExprPtr power();
  enum class WithFilters { kYes, kNo };
  ExprPtr unary(WithFilters with_filters);
  ExprPtr primary();
  ExprPtr parenthesised();
  ExprPtr list_literal();
  ExprPtr dict_literal();
  ExprPtr postfix(ExprPtr value);
  ExprPtr subscript(ExprPtr value);
  ExprPtr slice_part();
  ExprPtr filters_and_tests(ExprPtr value);
  ExprPtr test(ExprPtr value);
  void update_depth(Expr& expr) const;

  // One level deeper for as long as it lives.
  class Deeper {
   public:
    explicit Deeper(ExpressionParser* parser) : parser_(*parser) {
      if (++parser_.nesting_ <= kMaxNesting) return;
      parser_.tokens_.refuse("expressions stand more than {} deep inside one another.", kMaxNesting);
    }
    ~Deeper() { --parser_.nesting_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    ExpressionParser& parser_;
  };

  TokenStream& tokens_;
  int nesting_ = 0;
};

}  // namespace circuit::jinja
