// What toml++ 3.3 must not be shown.
#pragma once

#include <string>

namespace circuit {

// Throws Error "place:line" for TOML text on which toml++ 3.3 has undefined behaviour: a character beyond ASCII outside
// strings and comments, a table header without a key, a bracket that closes nothing of its kind, or a
// quote right behind a word.
void check_toml_text(const std::string& text, const std::string& place);

// Whether check_toml_text would take it.
bool is_toml_text(const std::string& text);

}  // namespace circuit
