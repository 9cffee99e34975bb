#include "text/jinja/characters.h"

#include <utf8proc.h>

#include <algorithm>

#include "text/unicode.h"

namespace circuit::jinja {
namespace {

// Characters that Unicode's SpecialCasing.txt gives more than one character in some case, or one by context.
bool has_special_casing(int32_t c) {
  constexpr int32_t kAlone[] = {0xDF, 0x130, 0x149, 0x1F0, 0x390, 0x3B0, 0x587, 0x3A3};
  if (std::find(std::begin(kAlone), std::end(kAlone), c) != std::end(kAlone)) return true;
  // Digraphs have a title case of their own.
  return (c >= 0x1C4 && c <= 0x1CC) || (c >= 0x1F1 && c <= 0x1F3) || (c >= 0x1E96 && c <= 0x1E9E) ||
         (c >= 0x1F50 && c <= 0x1FFC) || (c >= 0xFB00 && c <= 0xFB17);
}

bool is_cased(int32_t c) { return utf8proc_toupper(c) != c || utf8proc_tolower(c) != c; }

// Jinja's title filter: what begins a word after one of these.
bool splits_words(int32_t c) { return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || is_python_space(c); }

}  // namespace

bool is_python_space(int32_t c) { return is_white_space(c) || (c >= 0x1C && c <= 0x1F); }

size_t count_characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::vector<size_t> character_starts(std::string_view text) {
  std::vector<size_t> starts;
  for (size_t at = 0; at < text.size(); at += code_point_at(text, at).size) starts.push_back(at);
  starts.push_back(text.size());
  return starts;
}

Kept stripped(std::string_view text, const std::string* of, Side side) {
  const auto takes = [&](size_t at, const CodePoint& c) {
    if (of == nullptr) return is_python_space(c.value);
    const std::string_view character = text.substr(at, c.size);
    for (size_t i = 0; i < of->size();) {
      const size_t size = code_point_at(*of, i).size;
      if (std::string_view(*of).substr(i, size) == character) return true;
      i += size;
    }
    return false;
  };
  Kept kept{0, text.size()};
  while (side != Side::kRight && kept.begin < kept.end) {
    const CodePoint c = code_point_at(text, kept.begin);
    if (!takes(kept.begin, c)) break;
    kept.begin += c.size;
  }
  while (side != Side::kLeft && kept.begin < kept.end) {
    const size_t at = previous_code_point(text, kept.end);
    if (!takes(at, code_point_at(text, at))) break;
    kept.end = at;
  }
  return kept;
}

Value change_case(Runtime& runtime, const Text& text, Case to) {
  TextBuilder built;
  bool starts = true;  // a word, or the text
  for (size_t at = 0; at < text.bytes.size();) {
    const CodePoint c = code_point_at(text.bytes, at);
    if (has_special_casing(c.value)) {
      runtime.refuse("the other case of '{}' is not supported.", text.bytes.substr(at, c.size));
    }
    bool upper = to == Case::kUpper;
    if (to == Case::kCapitalize || to == Case::kTitle || to == Case::kPythonTitle) upper = starts;
    if (to == Case::kSwap) upper = utf8proc_toupper(c.value) != c.value;
    const int32_t changed = upper ? utf8proc_toupper(c.value) : utf8proc_tolower(c.value);
    std::string out;
    append_utf8(changed, out);
    built.add_as(out, text, at, at + c.size);
    if (to == Case::kCapitalize) starts = false;
    if (to == Case::kTitle) starts = splits_words(c.value);
    if (to == Case::kPythonTitle) starts = !is_cased(c.value);
    at += c.size;
  }
  runtime.charge_bytes(text.bytes.size() * 16);
  return runtime.text(std::move(built), text.safe);
}

bool all_of_class(Runtime& runtime, const std::string& text, CharacterClass which) {
  bool any_cased = false;
  bool all = !text.empty();
  for (const char c : text) {
    if (static_cast<unsigned char>(c) > 0x7F) runtime.refuse("classes of characters beyond ASCII are not supported.");
    const bool digit = c >= '0' && c <= '9';
    const bool upper = c >= 'A' && c <= 'Z';
    const bool lower = c >= 'a' && c <= 'z';
    any_cased = any_cased || upper || lower;
    if (which == CharacterClass::kDigit) all = all && digit;
    if (which == CharacterClass::kAlpha) all = all && (upper || lower);
    if (which == CharacterClass::kAlphaNumeric) all = all && (upper || lower || digit);
    if (which == CharacterClass::kUpper) all = all && !lower;
    if (which == CharacterClass::kLower) all = all && !upper;
  }
  const bool of_case = which == CharacterClass::kUpper || which == CharacterClass::kLower;
  return all && (!of_case || any_cased);
}

bool is_printable(int32_t c) {
  if (c == ' ') return true;
  const utf8proc_category_t category = utf8proc_category(c);
  const bool separator = category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP;
  const bool other = category == UTF8PROC_CATEGORY_CN || category >= UTF8PROC_CATEGORY_CC;
  return !separator && !other;
}

}  // namespace circuit::jinja
