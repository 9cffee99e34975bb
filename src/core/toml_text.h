// What toml++ 3.3 must not be shown.
#pragma once

#include <string>

namespace circuit {

// Throws Error "place:line" for TOML text on which toml++ 3.3 has undefined behaviour: a character beyond ASCII outside
// strings and comments, a table header without a key, or a bracket that closes nothing of its kind.
void check_toml_text(const std::string& text, const std::string& place);

// The same TOML in ASCII, line for line: what stands beyond it in strings as escapes, in comments as question marks. Of
// text that check_toml_text took; on text with such characters that is not valid, toml++ has undefined behaviour.
std::string ascii_toml(const std::string& text);

// Whether check_toml_text would take it.
bool is_toml_text(const std::string& text);

}  // namespace circuit
