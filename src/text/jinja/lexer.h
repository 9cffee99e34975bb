// A template cut into tokens, as Jinja's lexer with trim_blocks and lstrip_blocks does.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace circuit::jinja {

enum class TokenKind {
  kData,
  kOutputBegin,
  kOutputEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kSign,
  kEnd
};

struct TemplateToken {
  TokenKind kind = TokenKind::kEnd;
  std::string text;  // data, a name, a string without quotes and escapes, digits, a sign such as "//"
  int line = 1;
};

// Throws Error "[place:line] …" for a tag that does not end, a character that begins nothing, unbalanced brackets.
std::vector<TemplateToken> tokenize_template(std::string_view source, const std::string& place);

}  // namespace circuit::jinja
