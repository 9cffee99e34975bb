#include "core/toml_text.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

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

// The code point that begins at i, and what is behind it; none where the bytes are no UTF-8.
std::optional<std::pair<uint32_t, size_t>> code_point(std::string_view text, size_t i) {
  const auto byte = [&](size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U; };
  const uint32_t first = byte(i);
  if (first < 0x80) return std::pair(first, i + 1);
  const size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  if (first < 0xC2 || first > 0xF4) return std::nullopt;
  uint32_t value = first & (0x3FU >> more);
  for (size_t k = 1; k <= more; ++k) {
    if ((byte(i + k) & 0xC0U) != 0x80) return std::nullopt;
    value = value << 6 | (byte(i + k) & 0x3FU);
  }
  constexpr uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < kLeast[more] || value > 0x10FFFF || surrogate) return std::nullopt;
  return std::pair(value, i + 1 + more);
}

// Where the first bytes stand that are no UTF-8; npos: nowhere.
size_t broken_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto next = code_point(text, i);
    if (!next) return i;
    i = next->second;
  }
  return std::string_view::npos;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// A string's inside as the inside of a basic string in ASCII; literal: as it stands, without escapes.
std::string escaped(std::string_view inside, bool literal) {
  std::string out;
  bool escape = false;  // the backslash before is one
  for (size_t i = 0; i < inside.size();) {
    const auto [value, next] = *code_point(inside, i);
    if (value >= 0x80) {
      out += escape ? "?" : fmt::format("\\U{:08X}", value);  // no escape is spelt so: it stays wrong
    } else if (literal && (value == '\\' || value == '"')) {
      out += {'\\', static_cast<char>(value)};
    } else {
      out += static_cast<char>(value);
    }
    escape = !literal && value == '\\' && !escape;
    i = next;
  }
  return out;
}

// "file:line" of byte `at`.
std::string place_of(const std::string& text, size_t at, const std::string& place) {
  return fmt::format("{}:{}", place,
                     1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
}

}  // namespace

bool is_toml_text(const std::string& text) {
  return broken_utf8(text) == std::string::npos && bare_unicode(text) == std::string::npos &&
         header_without_key(text) == std::string::npos && wrong_bracket(text) == std::string::npos;
}

void check_toml_text(const std::string& text, const std::string& place) {
  const size_t broken = broken_utf8(text);
  if (broken != std::string::npos) {
    fail(place_of(text, broken, place), "the bytes are no UTF-8. Convert the file first.");
  }
  const size_t bare = bare_unicode(text);
  if (bare != std::string::npos) {
    fail(place_of(text, bare, place),
         "a character beyond ASCII outside of quotes. Put keys and texts that have one in quotes.");
  }
  const size_t header = header_without_key(text);
  if (header != std::string::npos) {
    fail(place_of(text, header, place), "not valid TOML: no key follows the bracket. A table is [name].");
  }
  const size_t bracket = wrong_bracket(text);
  if (bracket != std::string::npos) {
    fail(place_of(text, bracket, place), "not valid TOML: nothing is open that '{}' closes.", text[bracket]);
  }
}

// The same TOML in ASCII: what stands beyond it in strings as escapes, in comments as question marks. On lines of their
// own as before. toml++ 3.3 has undefined behaviour on such characters in text that is not valid.
std::string ascii_toml(const std::string& text) {
  std::string out;
  for (size_t i = behind_byte_order_mark(text); i < text.size();) {
    const size_t end = std::max(i + 1, behind_text(text, i));
    const std::string_view piece = std::string_view(text).substr(i, end - i);
    i = end;
    const char quote = piece[0];
    const size_t width = piece.substr(0, 3) == std::string(3, quote) ? 3 : 1;
    const bool whole = piece.size() >= 2 * width && piece.substr(piece.size() - width) == std::string(width, quote);
    if (is_ascii(piece)) {
      out += piece;
    } else if ((quote == '"' || quote == '\'') && whole) {
      const std::string marks(width, '"');
      out += marks + escaped(piece.substr(width, piece.size() - 2 * width), quote == '\'') + marks;
    } else {
      // A comment; or a string without an end, which is no TOML.
      for (const char c : piece) out += static_cast<unsigned char>(c) < 0x80 ? c : '?';
    }
  }
  return out;
}

}  // namespace circuit
