// Numbers as text that a page can hold: base64 of halves or of variable-length integers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace circuit {

std::string base64(const std::string& bytes);
// Length of base64 of so many bytes.
constexpr size_t base64_size(size_t bytes) { return (bytes + 2) / 3 * 4; }

// Nearest IEEE half, ties to even; overflow gives infinity.
uint16_t to_half(float value);

struct PackedHalves {
  float scale = 1;   // what a half is to be multiplied with
  std::string text;  // base64 of little-endian halves
};
// The largest finite |value| becomes about 1024, so that eleven bits hold wherever a value is above 6e-8 of
// it.
PackedHalves pack_halves(const std::vector<float>& values);

// LEB128: seven bits a byte, the lowest first, the top bit set on all but the last.
void append_varint(std::string& bytes, uint32_t value);
size_t varint_size(uint32_t value);

// Little endian.
void append_bytes(std::string& bytes, uint32_t value, int count);

}  // namespace circuit
