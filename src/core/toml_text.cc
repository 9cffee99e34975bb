#include "core/toml_text.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "core/error.h"

namespace circuit {
namespace {

// Behind the string or comment that begins at i; i itself where none does.
size_t behind_text(std::string_view text, size_t i) {
  const size_t end = text.size();
  const char c = text[i];
  if (c == '#') return std::min(end, text.find('\n', i));
  if (c != '"' && c != '\'') return i;
  const std::string triple(3, c);
  const bool long_form = text.substr(i, 3) == triple;
  i += long_form ? 3 : 1;
  while (i < end && (long_form ? text.substr(i, 3) != triple : text[i] != c && text[i] != '\n')) {
    i += c == '"' && text[i] == '\\' ? 2 : 1;
  }
  i += long_form ? 3 : 1;
  // A long string may end in up to two quotes of its own.
  for (int more = 0; long_form && more < 2 && i < end && text[i] == c; ++more) ++i;
  return std::min(i, end);
}

size_t behind_byte_order_mark(std::string_view text) { return text.substr(0, 3) == "\xEF\xBB\xBF" ? 3 : 0; }

// Where the first character beyond ASCII stands outside strings and comments; npos: nowhere. toml++ 3.3 runs into
// undefined behaviour there (U+00A1 … U+0499), and TOML has no place for one.
size_t bare_unicode(std::string_view text) {
  size_t i = behind_byte_order_mark(text);
  while (i < text.size()) {
    if (static_cast<unsigned char>(text[i]) >= 0x80) return i;
    i = std::max(i + 1, behind_text(text, i));
  }
  return std::string_view::npos;
}

bool starts_key(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '"' || c == '\'';
}

// Where the first table header stands whose bracket no key follows, such as [~]; npos: nowhere. toml++ 3.3 only asserts
// the key: without assertions, g++ builds what refuses the text, clang what takes the key for granted.
size_t header_without_key(std::string_view text) {
  int64_t depth = 0;  // of lists and inline tables, in which a line may begin with a bracket of theirs
  bool line_begins = true;
  size_t i = behind_byte_order_mark(text);
  while (i < text.size()) {
    const char c = text[i];
    if (c == '[' && line_begins && depth == 0) {
      const size_t key = text.find_first_not_of(" \t", i + (text.substr(i, 2) == "[[" ? 2 : 1));
      if (key == std::string_view::npos || !starts_key(text[key])) return i;
    }
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    if (c != ' ' && c != '\t') line_begins = c == '\n';
    i = std::max(i + 1, behind_text(text, i));
  }
  return std::string_view::npos;
}

// Where the first bracket or brace stands that closes what another kind opened, as in [}; npos: nowhere. toml++ 3.3
// only asserts that a list's next value does not begin with one.
size_t wrong_bracket(std::string_view text) {
  std::string open;
  size_t i = behind_byte_order_mark(text);
  while (i < text.size()) {
    const char c = text[i];
    if (c == '[' || c == '{') open.push_back(c);
    if (c == ']' || c == '}') {
      if (open.empty() || open.back() != (c == ']' ? '[' : '{')) return i;
      open.pop_back();
    }
    i = std::max(i + 1, behind_text(text, i));
  }
  return std::string_view::npos;
}

// Where the first quote stands right behind something that no string can follow, as in 3"é"; npos: nowhere. toml++ 3.3
// takes it for part of the word before it, and what is in it with it.
size_t stray_quote(std::string_view text) {
  constexpr std::string_view kBefore = " \t\r\n=,.[{";
  const size_t begin = behind_byte_order_mark(text);
  size_t i = begin;
  while (i < text.size()) {
    const bool quote = text[i] == '"' || text[i] == '\'';
    if (quote && i > begin && kBefore.find(text[i - 1]) == std::string_view::npos) return i;
    i = std::max(i + 1, behind_text(text, i));
  }
  return std::string_view::npos;
}

// "file:line" of byte `at`.
std::string place_of(const std::string& text, size_t at, const std::string& place) {
  return fmt::format("{}:{}", place,
                     1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
}

}  // namespace

bool is_toml_text(const std::string& text) {
  return bare_unicode(text) == std::string::npos && header_without_key(text) == std::string::npos &&
         wrong_bracket(text) == std::string::npos && stray_quote(text) == std::string::npos;
}

void check_toml_text(const std::string& text, const std::string& place) {
  const size_t bare = bare_unicode(text);
  if (bare != std::string::npos) {
    fail(place_of(text, bare, place),
         "a character beyond ASCII outside of quotes. Put keys and texts that have one in quotes.");
  }
  const size_t header = header_without_key(text);
  if (header != std::string::npos) {
    fail(place_of(text, header, place), "not valid TOML: no key follows the bracket. A table is [name].");
  }
  const size_t quote = stray_quote(text);
  if (quote != std::string::npos) {
    fail(place_of(text, quote, place), "not valid TOML: a quote in the middle of a word.");
  }
  const size_t bracket = wrong_bracket(text);
  if (bracket != std::string::npos) {
    fail(place_of(text, bracket, place), "not valid TOML: nothing is open that '{}' closes.", text[bracket]);
  }
}

}  // namespace circuit
