// UTF-8 code points and the few character classes the tokenizer needs outside of patterns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace circuit {

struct CodePoint {
  int32_t value = 0;
  size_t size = 0;  // bytes
};

// The code point that starts at `text[at]`; a byte that starts none reads as U+FFFD of size 1.
CodePoint code_point_at(std::string_view text, size_t at);

void append_utf8(int32_t code_point, std::string& out);

// The lower-case form of a character: its simple mapping, but "i" and a dot above for "İ". Final sigmas are not told
// apart.
void append_lower_case(int32_t code_point, std::string& out);
std::string lower_case(std::string_view text);

// A letter or number of any script, or "_": what \w matches in Python.
bool is_word_character(int32_t code_point);

// Letters that have case, and what else is written in two ("Ⅷ"). Title case is "ǅ"'s.
enum class LetterCase { kNone, kUpper, kLower, kTitle };
LetterCase letter_case(int32_t code_point);

// Unicode's White_Space property.
bool is_white_space(int32_t code_point);

// Bytes of white space at the start and at the end of `text`.
size_t leading_white_space(std::string_view text);
size_t trailing_white_space(std::string_view text);

// Start of the code point that ends at `end`, which is > 0.
size_t previous_code_point(std::string_view text, size_t end);

// Each maximal ill-formed part becomes one U+FFFD (Unicode 15, section 3.9, as Rust's from_utf8_lossy).
std::string replace_invalid_utf8(std::string_view bytes);

}  // namespace circuit
