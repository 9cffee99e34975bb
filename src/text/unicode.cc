#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>

#include "io/json.h"

namespace circuit {
namespace {

const auto* utf8proc_bytes(std::string_view text) { return reinterpret_cast<const utf8proc_uint8_t*>(text.data()); }

// Bytes of the maximal ill-formed part at `at`: a lead byte and what may follow it, else one byte.
size_t invalid_size(std::string_view text, size_t at) {
  size_t size = 1;
  while (size < 4 && at + size < text.size()) {
    // A prefix of a character becomes valid when its missing continuation bytes are added.
    std::string prefix(text.substr(at, size + 1));
    bool extends = false;
    for (size_t missing = 1; missing <= 2 && !extends; ++missing) {
      for (const char fill : {'\x80', '\x90', '\xA0'}) {
        std::string whole = prefix + std::string(1, fill) + std::string(missing - 1, '\x80');
        extends = extends || is_valid_utf8(whole);
      }
    }
    if (!extends) break;
    ++size;
  }
  return size;
}

}  // namespace

CodePoint code_point_at(std::string_view text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  if (lead < 0x80) return {lead, 1};
  utf8proc_int32_t value = 0;
  const utf8proc_ssize_t size =
      utf8proc_iterate(utf8proc_bytes(text) + at, static_cast<utf8proc_ssize_t>(text.size() - at), &value);
  if (size <= 0) return {0xFFFD, 1};
  return {value, static_cast<size_t>(size)};
}

void append_utf8(int32_t code_point, std::string& out) {
  utf8proc_uint8_t buffer[4];
  const utf8proc_ssize_t size = utf8proc_encode_char(code_point, buffer);
  out.append(reinterpret_cast<const char*>(buffer), static_cast<size_t>(size));
}

void append_lower_case(int32_t code_point, std::string& out) {
  // The one code point whose full lower-case form is longer than its simple one.
  constexpr int32_t kDottedI = 0x130;
  constexpr int32_t kDotAbove = 0x307;
  append_utf8(code_point == kDottedI ? 'i' : utf8proc_tolower(code_point), out);
  if (code_point == kDottedI) append_utf8(kDotAbove, out);
}

std::string lower_case(std::string_view text) {
  std::string lower;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    append_lower_case(c.value, lower);
    at += c.size;
  }
  return lower;
}

bool is_word_character(int32_t code_point) {
  if (code_point == '_') return true;
  switch (utf8proc_category(code_point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return true;
    default:
      return false;
  }
}

LetterCase letter_case(int32_t c) {
  const utf8proc_category_t category = utf8proc_category(c);
  if (category == UTF8PROC_CATEGORY_LT) return LetterCase::kTitle;
  if (category == UTF8PROC_CATEGORY_LU || utf8proc_tolower(c) != c) return LetterCase::kUpper;
  if (category == UTF8PROC_CATEGORY_LL || utf8proc_toupper(c) != c) return LetterCase::kLower;
  return LetterCase::kNone;
}

bool is_white_space(int32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

size_t leading_white_space(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const CodePoint c = code_point_at(text, at);
    if (!is_white_space(c.value)) break;
    at += c.size;
  }
  return at;
}

size_t trailing_white_space(std::string_view text) {
  size_t start = text.size();
  while (start > 0) {
    const size_t before = previous_code_point(text, start);
    if (!is_white_space(code_point_at(text, before).value)) break;
    start = before;
  }
  return text.size() - start;
}

size_t previous_code_point(std::string_view text, size_t end) {
  size_t start = end - 1;
  while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
  return start;
}

std::string replace_invalid_utf8(std::string_view bytes) {
  if (is_valid_utf8(bytes)) return std::string(bytes);
  std::string out;
  size_t at = 0;
  while (at < bytes.size()) {
    const CodePoint c = code_point_at(bytes, at);
    // A real U+FFFD is three bytes long, so size 1 marks an ill-formed part.
    const bool invalid = c.value == 0xFFFD && c.size == 1;
    const size_t size = invalid ? invalid_size(bytes, at) : c.size;
    out += invalid ? std::string("\xEF\xBF\xBD") : std::string(bytes.substr(at, size));
    at += size;
  }
  return out;
}

}  // namespace circuit
