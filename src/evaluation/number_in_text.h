// Numbers as people write them in answers: "$1,200.50", "-3", "72.".
#pragma once

#include <optional>
#include <string>

namespace circuit {

// A number without "$", "+", separators of thousands, leading zeros, zeros at the end of a fraction and a trailing dot:
// "$01,200.50." → "1200.5", "-0" → "0". Two texts mean the same number when this is the same.
// marked_number: the first number right after a "####" (GSM8K's marker), white space between them allowed; absent where
// no marker has one. last_number: the last number of the text. A "-" belongs to a number unless a word, a number or a
// closing bracket stands right before it ("10-5" ends in 5).
std::optional<std::string> marked_number(const std::string& text);
std::optional<std::string> last_number(const std::string& text);

}  // namespace circuit
