// What the two parsers, of expressions and of statements, share: the tokens and their refusals.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "text/jinja/lexer.h"

namespace circuit::jinja {

class TokenStream {
 public:
  TokenStream(std::vector<TemplateToken> tokens, std::string place)
      : tokens_(std::move(tokens)), place_(std::move(place)) {}

  const TemplateToken& now() const { return tokens_[at_]; }
  const TemplateToken& ahead() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  TemplateToken take() {
    TemplateToken token = tokens_[at_];
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool is(TokenKind kind) const { return now().kind == kind; }
  bool is_sign(const char* sign) const { return is(TokenKind::kSign) && now().text == sign; }
  bool is_name(const char* name) const { return is(TokenKind::kName) && now().text == name; }
  bool skip_sign(const char* sign) {
    if (!is_sign(sign)) return false;
    take();
    return true;
  }
  bool skip_name(const char* name) {
    if (!is_name(name)) return false;
    take();
    return true;
  }
  void expect_sign(const char* sign) {
    if (!skip_sign(sign)) refuse("found {}, expected '{}'.", describe(), sign);
  }
  std::string expect_name() {
    if (!is(TokenKind::kName)) refuse("found {}, expected a name.", describe());
    return take().text;
  }

  std::string describe() const {
    if (is(TokenKind::kEnd)) return "the end of the template";
    if (is(TokenKind::kBlockEnd) || is(TokenKind::kOutputEnd)) return "the end of a tag";
    return fmt::format("'{}'", now().text);
  }

  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail(fmt::format("{}:{}", place_, now().line), "chat template: {}",
         fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  std::vector<TemplateToken> tokens_;
  std::string place_;
  size_t at_ = 0;
};

}  // namespace circuit::jinja
