// Python's view of a text: code points, its white space, its cases.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/runtime.h"

namespace circuit::jinja {

// str.isspace of one character: Unicode's White_Space and the separators U+001C to U+001F.
bool is_python_space(int32_t code_point);

size_t count_characters(std::string_view text);
// The byte where each character begins, and the size of the text.
std::vector<size_t> character_starts(std::string_view text);

// Bytes [begin, end) that are left when characters of `of` are taken off (empty view with null data: white space).
enum class Side { kLeft, kRight, kBoth };
struct Kept {
  size_t begin = 0;
  size_t end = 0;
};
Kept stripped(std::string_view text, const std::string* of, Side side);

// Case changes of Python's str, character by character, marks kept. Refuses characters whose other case is more than
// one character or depends on their neighbours (ß, final sigma, …).
enum class Case { kUpper, kLower, kCapitalize, kTitle, kPythonTitle, kSwap };
Value change_case(Runtime& runtime, const Text& text, Case to);

enum class CharacterClass { kDigit, kAlpha, kAlphaNumeric, kUpper, kLower };
// str.isdigit and its like, ASCII only: refuses other characters.
bool all_of_class(Runtime& runtime, const std::string& text, CharacterClass which);

// str.isprintable of one character.
bool is_printable(int32_t code_point);

}  // namespace circuit::jinja
