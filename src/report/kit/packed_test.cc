#include "report/kit/packed.h"

#include <gtest/gtest.h>

#include <cmath>

namespace circuit {
namespace {

float half_value(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const float size = exponent == 0 ? std::ldexp(static_cast<float>(bits & 1023), -24)
                                   : std::ldexp(static_cast<float>(1024 + (bits & 1023)), exponent - 25);
  return bits & 0x8000 ? -size : size;
}

TEST(Half, RoundsToTheNearest) {
  EXPECT_EQ(to_half(0), 0x0000);
  EXPECT_EQ(to_half(1), 0x3C00);
  EXPECT_EQ(to_half(-2), 0xC000);
  EXPECT_EQ(to_half(65504), 0x7BFF);
  EXPECT_EQ(to_half(1e6), 0x7C00);
  EXPECT_EQ(to_half(5.9604644775390625e-8f), 0x0001);
  EXPECT_EQ(to_half(6.1e-5f), 0x03FF);
  EXPECT_EQ(to_half(1.00048828125f), 0x3C00);  // half way between 1 and the next half: to the even one
  // Half has eleven significant bits, so the nearest is within 2^-11.
  constexpr float kHalfUnit = 1.0f / 2048;
  float x = 7e-5f;
  while (x < 6e4f) {
    EXPECT_NEAR(half_value(to_half(x)) / x, 1, kHalfUnit);
    x *= 1.37f;
  }
}

TEST(Base64, IsTheStandardAlphabetWithPadding) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("\xFB\xFF\xFE"), "+//+");
}

TEST(Varint, IsLeb128) {
  std::string bytes;
  for (const uint32_t value : {0u, 127u, 128u, 300u, 0xFFFFFFFFu}) append_varint(bytes, value);
  EXPECT_EQ(bytes, std::string("\x00\x7F\x80\x01\xAC\x02\xFF\xFF\xFF\xFF\x0F", 11));
  EXPECT_EQ(varint_size(127), 1u);
  EXPECT_EQ(varint_size(128), 2u);
}

}  // namespace
}  // namespace circuit
