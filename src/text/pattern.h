// What Split and Replace look for: a literal string or a regular expression.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "text/aligned_text.h"

namespace circuit {

// Regular expressions are Oniguruma's default syntax, the engine Hugging Face tokenizers uses, so the
// pieces are the same. Const methods may be called from several threads.
class Pattern {
 public:
  static Pattern literal(std::string text);
  // Throws Error naming `place` and the syntax error.
  static Pattern regex(const std::string& expression, const std::string& place);
  // {"String": "…"} or {"Regex": "…"}.
  static Pattern read(const Json& json, const std::string& place);

  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;
  ~Pattern();

  // All matches from left to right, without overlap. Empty ones are included, except directly after a
  // match. `text` is valid UTF-8. Throws Error when matching needs too much backtracking.
  std::vector<Range> find_all(std::string_view text) const;

  // Upper bound of the bytes that replacing one byte of text by `content` can yield.
  double growth(const std::string& content) const;

 private:
  struct Regex;
  Pattern();
  std::string source_;
  std::unique_ptr<Regex> regex_;  // null: `source_` is a literal
};

}  // namespace circuit
