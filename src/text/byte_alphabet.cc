#include "text/byte_alphabet.h"

#include "text/unicode.h"

namespace circuit {
namespace {

constexpr int32_t kFirstSubstitute = 0x100;

bool is_printable(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

struct Alphabet {
  std::array<std::string, 256> characters;
  std::array<int, 0x144> byte_of;  // by code point; -1 where none

  Alphabet() {
    byte_of.fill(-1);
    int32_t substitute = kFirstSubstitute;
    for (int byte = 0; byte < 256; ++byte) {
      const int32_t character = is_printable(byte) ? byte : substitute++;
      append_utf8(character, characters[static_cast<size_t>(byte)]);
      byte_of[static_cast<size_t>(character)] = byte;
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet kAlphabet;
  return kAlphabet;
}

}  // namespace

const std::array<std::string, 256>& byte_characters() { return alphabet().characters; }

std::string bytes_of_token(std::string_view token) {
  const auto& byte_of = alphabet().byte_of;
  std::string bytes;
  for (size_t at = 0; at < token.size();) {
    const CodePoint c = code_point_at(token, at);
    const auto index = static_cast<size_t>(c.value);
    if (index >= byte_of.size() || byte_of[index] < 0) return std::string(token);
    bytes += static_cast<char>(byte_of[index]);
    at += c.size;
  }
  return bytes;
}

}  // namespace circuit
