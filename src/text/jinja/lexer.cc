#include "text/jinja/lexer.h"

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "text/jinja/characters.h"
#include "text/unicode.h"

namespace circuit::jinja {
namespace {

constexpr size_t kNowhere = std::string_view::npos;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// \r\n and \r become \n, and one line end at the end is dropped.
std::string with_plain_line_ends(std::string_view source) {
  std::string text;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      text += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      text += source[i];
    }
  }
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

class Lexer {
 public:
  Lexer(std::string source, const std::string& place) : source_(std::move(source)), text_(source_), place_(place) {}

  std::vector<TemplateToken> run() {
    while (at_ < text_.size()) {
      const size_t tag = next_tag();
      if (tag == kNowhere) {
        add(TokenKind::kData, std::string(text_.substr(at_)));
        break;
      }
      read_tag(tag);
    }
    add(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail(fmt::format("{}:{}", place_, line_), "chat template: {}", fmt::format(format, std::forward<Args>(args)...));
  }

  void add(TokenKind kind, std::string text) {
    if (kind != TokenKind::kData || !text.empty()) tokens_.push_back({kind, std::move(text), line_});
  }

  // Moves on, counting lines.
  void move_to(size_t to) {
    line_ += static_cast<int>(
        std::count(text_.begin() + static_cast<int64_t>(at_), text_.begin() + static_cast<int64_t>(to), '\n'));
    at_ = to;
  }

  size_t next_tag() const {
    for (size_t at = text_.find('{', at_); at != kNowhere; at = text_.find('{', at + 1)) {
      const char next = at + 1 < text_.size() ? text_[at + 1] : '\0';
      if (next == '{' || next == '%' || next == '#') return at;
    }
    return kNowhere;
  }

  size_t behind_spaces(size_t at) const {
    while (at < text_.size()) {
      const CodePoint c = code_point_at(text_, at);
      if (!is_python_space(c.value)) break;
      at += c.size;
    }
    return at;
  }

  char sign_at(size_t at) const {
    return at < text_.size() && (text_[at] == '-' || text_[at] == '+') ? text_[at] : '\0';
  }

  // The data before a tag, less the white space that the tag takes.
  std::string data_before(size_t tag, char sign, bool is_output) const {
    const std::string_view data = text_.substr(at_, tag - at_);
    if (sign == '-') return std::string(data.substr(0, stripped(data, nullptr, Side::kRight).end));
    if (sign == '+' || is_output) return std::string(data);
    const size_t line_end = data.rfind('\n');
    const size_t begin = line_end == kNowhere ? 0 : line_end + 1;
    if (begin == 0 && !line_starting_) return std::string(data);
    const std::string_view rest = data.substr(begin);
    return std::string(stripped(rest, nullptr, Side::kLeft).begin == rest.size() ? data.substr(0, begin) : data);
  }

  void read_tag(size_t tag) {
    const char kind = text_[tag + 1];
    const char sign = sign_at(tag + 2);
    if (kind == '%' && read_raw(tag, sign)) return;
    std::string data = data_before(tag, sign, kind == '{');
    add(TokenKind::kData, std::move(data));
    move_to(tag + 2 + (sign != '\0' ? 1 : 0));
    line_starting_ = false;
    if (kind == '#') return skip_comment();
    add(kind == '%' ? TokenKind::kBlockBegin : TokenKind::kOutputBegin, "");
    read_inside(kind == '%');
  }

  // Behind the end of a block or comment: one line end goes, with "-" all white space.
  void close(size_t end, char sign, bool trims) {
    size_t next = end + 2;
    if (sign == '-') next = behind_spaces(next);
    if (sign == '\0' && trims && next < text_.size() && text_[next] == '\n') ++next;
    move_to(next);
    line_starting_ = at_ > 0 && text_[at_ - 1] == '\n';
  }

  void skip_comment() {
    const size_t end = text_.find("#}", at_);
    if (end == kNowhere) refuse("a comment does not end.");
    const char sign = end > at_ ? sign_at(end - 1) : '\0';
    close(end, sign, true);
  }

  // {% raw %}…{% endraw %}: what stands between is data.
  bool read_raw(size_t tag, char sign) {
    const size_t begin = behind_spaces(tag + 2 + (sign != '\0' ? 1 : 0));
    if (text_.substr(begin, 3) != "raw") return false;
    size_t inner = behind_spaces(begin + 3);
    const bool minus = text_.substr(inner, 3) == "-%}";
    if (!minus && text_.substr(inner, 2) != "%}") return false;
    add(TokenKind::kData, data_before(tag, sign, false));
    inner += minus ? 3 : 2;
    move_to(minus ? behind_spaces(inner) : inner);
    line_starting_ = text_[at_ - 1] == '\n';
    for (size_t end = text_.find("{%", at_); end != kNowhere; end = text_.find("{%", end + 2)) {
      const char end_sign = sign_at(end + 2);
      const size_t name = behind_spaces(end + 2 + (end_sign != '\0' ? 1 : 0));
      if (text_.substr(name, 6) != "endraw") continue;
      const size_t close_at = behind_spaces(name + 6);
      const char close_sign = sign_at(close_at);
      const size_t percent = close_at + (close_sign != '\0' ? 1 : 0);
      if (text_.substr(percent, 2) != "%}") continue;
      add(TokenKind::kData, data_before(end, end_sign, false));
      close(percent, close_sign, true);
      return true;
    }
    refuse("a raw block does not end.");
  }

  // Whether a tag ends here; only where brackets are balanced.
  bool read_end(bool is_block) {
    if (!brackets_.empty()) return false;
    char sign = sign_at(at_);
    if (sign == '+' && !is_block) sign = '\0';
    const size_t end = at_ + (sign != '\0' ? 1 : 0);
    if (text_.substr(end, 2) != (is_block ? "%}" : "}}")) return false;
    add(is_block ? TokenKind::kBlockEnd : TokenKind::kOutputEnd, "");
    close(end, sign, is_block);
    return true;
  }

  void read_inside(bool is_block) {
    const int begin = line_;
    for (;;) {
      move_to(behind_spaces(at_));
      if (at_ >= text_.size()) {
        line_ = begin;
        refuse("a tag does not end.");
      }
      if (read_end(is_block)) return;
      const char c = text_[at_];
      if (c == '\'' || c == '"') {
        read_string(c);
      } else if (is_digit(c)) {
        read_number();
      } else if (is_word_character(code_point_at(text_, at_).value)) {
        read_name();
      } else {
        read_sign();
      }
    }
  }

  void read_name() {
    size_t end = at_;
    while (end < text_.size() && is_word_character(code_point_at(text_, end).value))
      end += code_point_at(text_, end).size;
    add(TokenKind::kName, std::string(text_.substr(at_, end - at_)));
    move_to(end);
  }

  // Digits with single "_" between them, from `at` on; where none stand, `at`.
  size_t digits_end(size_t at) const {
    size_t end = at;
    while (end < text_.size() && (is_digit(text_[end]) || (text_[end] == '_' && end > at && end + 1 < text_.size() &&
                                                           is_digit(text_[end + 1])))) {
      ++end;
    }
    return end;
  }

  void read_number() {
    size_t end = digits_end(at_);
    bool is_float = false;
    if (end + 1 < text_.size() && text_[end] == '.' && is_digit(text_[end + 1])) {
      end = digits_end(end + 1);
      is_float = true;
    }
    if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
      const size_t sign = end + 1 < text_.size() && (text_[end + 1] == '+' || text_[end + 1] == '-') ? 1 : 0;
      if (digits_end(end + 1 + sign) > end + 1 + sign) {
        end = digits_end(end + 1 + sign);
        is_float = true;
      }
    }
    std::string digits(text_.substr(at_, end - at_));
    digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
    const bool zeros = digits.find_first_not_of('0') == std::string::npos;
    const bool odd = end < text_.size() && is_word_character(code_point_at(text_, end).value);
    if (odd || (!is_float && digits[0] == '0' && !zeros))
      refuse("the number '{}' is written in a form that is not supported.", digits);
    add(is_float ? TokenKind::kFloat : TokenKind::kInteger, digits);
    move_to(end);
  }

  void read_sign() {
    for (const std::string_view sign : {"//", "**", "==", "!=", ">=", "<="}) {
      if (text_.substr(at_, 2) != sign) continue;
      add(TokenKind::kSign, std::string(sign));
      return move_to(at_ + 2);
    }
    const char c = text_[at_];
    if (std::string_view("+-/*%~[](){}><=.:|,;").find(c) == kNowhere) {
      refuse("unexpected character '{}'.", text_.substr(at_, code_point_at(text_, at_).size));
    }
    if (c == '(' || c == '[' || c == '{') brackets_ += c == '(' ? ')' : c == '[' ? ']' : '}';
    if (c == ')' || c == ']' || c == '}') {
      if (brackets_.empty() || brackets_.back() != c) refuse("unexpected '{}'.", c);
      brackets_.pop_back();
    }
    add(TokenKind::kSign, std::string(1, c));
    move_to(at_ + 1);
  }

  void read_string(char quote) {
    std::string value;
    size_t at = at_ + 1;
    for (;; ++at) {
      if (at >= text_.size()) refuse("a string does not end.");
      if (text_[at] == quote) break;
      if (text_[at] != '\\') {
        value += text_[at];
        continue;
      }
      if (++at >= text_.size()) refuse("a string does not end.");
      at = read_escape(at, value);
    }
    add(TokenKind::kString, std::move(value));
    move_to(at + 1);
  }

  // Python's escapes; `at` is behind the backslash. Returns where the escape's last byte is.
  size_t read_escape(size_t at, std::string& value) {
    constexpr std::string_view kNames = "abfnrtv\\'\"\n";
    constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\'\"";
    const char c = text_[at];
    const size_t known = kNames.find(c);
    if (known < kValues.size()) {
      value += kValues[known];
      return at;
    }
    if (c == '\n') return at;
    if (c >= '0' && c <= '7') {
      int32_t code = 0;
      size_t end = at;
      for (; end < at + 3 && end < text_.size() && text_[end] >= '0' && text_[end] <= '7'; ++end) {
        code = code * 8 + (text_[end] - '0');
      }
      append_utf8(code, value);
      return end - 1;
    }
    const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (c == 'N') refuse("the escape \\N is not supported.");
    if (digits == 0) {  // no escape: the backslash stays
      value += '\\';
      value += c;
      return at;
    }
    const std::string hex(text_.substr(std::min(at + 1, text_.size()), digits));
    const bool good = hex.size() == digits && hex.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
    const uint64_t code = good ? std::stoull(hex, nullptr, 16) : 0;
    if (!good || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
      refuse("the escape \\{}{} is no character.", c, hex);
    append_utf8(static_cast<int32_t>(code), value);
    return at + digits;
  }

  const std::string source_;
  const std::string_view text_;
  const std::string& place_;
  std::vector<TemplateToken> tokens_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::string brackets_;  // that are open, by what closes them
};

}  // namespace

std::vector<TemplateToken> tokenize_template(std::string_view source, const std::string& place) {
  return Lexer(with_plain_line_ends(source), place).run();
}

}  // namespace circuit::jinja
