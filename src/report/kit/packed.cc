#include "report/kit/packed.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace circuit {

std::string base64(const std::string& bytes) {
  constexpr const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve(base64_size(bytes.size()));
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) group = group << 8 | (i + j < bytes.size() ? static_cast<uint8_t>(bytes[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j) text += i + j > bytes.size() ? '=' : kDigits[group >> (18 - 6 * j) & 63];
  }
  return text;
}

uint16_t to_half(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const float size = std::abs(value);
  if (std::isnan(value)) return sign | 0x7E00;
  if (size >= 65520.0f) return sign | 0x7C00;
  // Below 2^-14 halves are multiples of 2^-24; nearbyint rounds ties to even.
  if (size < 6.103515625e-5f)
    return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(size * 16777216.0f)));
  bits &= 0x7FFFFFFF;
  bits += 0xFFF + (bits >> 13 & 1);
  return static_cast<uint16_t>(sign | ((bits >> 13) - (112 << 10)));
}

PackedHalves pack_halves(const std::vector<float>& values) {
  float top = 0;
  for (const float value : values) {
    if (std::isfinite(value)) top = std::max(top, std::abs(value));
  }
  PackedHalves packed;
  if (top > 0) packed.scale = std::max(top / 1024.0f, 1e-37f);
  std::string bytes;
  bytes.reserve(2 * values.size());
  for (const float value : values) append_bytes(bytes, to_half(value / packed.scale), 2);
  packed.text = base64(bytes);
  return packed;
}

void append_varint(std::string& bytes, uint32_t value) {
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>((value & 0x7F) | 0x80);
  bytes += static_cast<char>(value);
}

size_t varint_size(uint32_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

void append_bytes(std::string& bytes, uint32_t value, int count) {
  for (int i = 0; i < count; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFF);
}

}  // namespace circuit
