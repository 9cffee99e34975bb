// GPT-2's map from bytes to printable characters, so that a vocabulary of any bytes is readable text.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace circuit {

// The character that stands for each byte (Radford et al. 2019, encoder.py, bytes_to_unicode): printable
// Latin-1 stands for itself, the other 68 bytes for U+0100 … U+0143 in order.
const std::array<std::string, 256>& byte_characters();

// The bytes that `token` stands for; its own bytes where one of its characters stands for no byte.
std::string bytes_of_token(std::string_view token);

}  // namespace circuit
