#include "io/gguf_blocks.h"

#include <cstring>

namespace circuit {
namespace {

constexpr int kHalf = 16;        // the legacy blocks hold 32 numbers: the low nibbles of 16 bytes, then the high ones
constexpr int kSuper = 256;      // numbers of a K-block
constexpr int kScaleBytes = 12;  // eight scales and eight minima of 6 bits

// IEEE half to single, exactly.
float half_at(const unsigned char* bytes) {
  const uint32_t bits = bytes[0] | static_cast<uint32_t>(bytes[1]) << 8;
  const uint32_t sign = (bits & 0x8000) << 16;
  uint32_t exponent = bits >> 10 & 0x1F;
  uint32_t mantissa = bits & 0x3FF;
  uint32_t single = 0;
  if (exponent == 0x1F) {
    single = sign | 0x7F800000 | mantissa << 13;
  } else if (exponent == 0 && mantissa == 0) {
    single = sign;
  } else {
    exponent += 112;
    if (exponent == 112) {  // subnormal: shifted until its first bit is the implied one
      ++exponent;
      while ((mantissa & 0x400) == 0) {
        mantissa <<= 1;
        --exponent;
      }
      mantissa &= 0x3FF;
    }
    single = sign | exponent << 23 | mantissa << 13;
  }
  float value = 0;
  std::memcpy(&value, &single, sizeof value);
  return value;
}

int low(unsigned char byte) { return byte & 0x0F; }
int high(unsigned char byte) { return byte >> 4; }
int signed_byte(unsigned char byte) { return static_cast<int>(byte ^ 0x80) - 0x80; }

void q4_0(const unsigned char* b, float* out) {
  const float d = half_at(b);
  for (int i = 0; i < kHalf; ++i) {
    out[i] = d * static_cast<float>(low(b[2 + i]) - 8);
    out[kHalf + i] = d * static_cast<float>(high(b[2 + i]) - 8);
  }
}

void q4_1(const unsigned char* b, float* out) {
  const float d = half_at(b);
  const float m = half_at(b + 2);
  for (int i = 0; i < kHalf; ++i) {
    out[i] = d * static_cast<float>(low(b[4 + i])) + m;
    out[kHalf + i] = d * static_cast<float>(high(b[4 + i])) + m;
  }
}

// Number i of 32 has bit i of the four bytes as its fifth.
int fifth(const unsigned char* bits, int i) { return (bits[i / 8] >> i % 8 & 1) << 4; }

void q5_0(const unsigned char* b, float* out) {
  const float d = half_at(b);
  for (int i = 0; i < kHalf; ++i) {
    out[i] = d * static_cast<float>((low(b[6 + i]) | fifth(b + 2, i)) - 16);
    out[kHalf + i] = d * static_cast<float>((high(b[6 + i]) | fifth(b + 2, kHalf + i)) - 16);
  }
}

void q5_1(const unsigned char* b, float* out) {
  const float d = half_at(b);
  const float m = half_at(b + 2);
  for (int i = 0; i < kHalf; ++i) {
    out[i] = d * static_cast<float>(low(b[8 + i]) | fifth(b + 4, i)) + m;
    out[kHalf + i] = d * static_cast<float>(high(b[8 + i]) | fifth(b + 4, kHalf + i)) + m;
  }
}

void q8_0(const unsigned char* b, float* out) {
  const float d = half_at(b);
  for (int i = 0; i < 2 * kHalf; ++i) out[i] = static_cast<float>(signed_byte(b[2 + i])) * d;
}

// 16 groups of 16; halves of 128 numbers, whose four runs of 32 are the pairs of bits of the same 32 bytes.
void q2_k(const unsigned char* b, float* out) {
  const unsigned char* quants = b + 16;
  const float d = half_at(b + 80);
  const float dmin = half_at(b + 82);
  for (int i = 0; i < kSuper; ++i) {
    const unsigned char scale = b[i / 16];
    const float dl = d * static_cast<float>(low(scale));
    const float ml = dmin * static_cast<float>(high(scale));
    const int q = quants[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
    out[i] = dl * static_cast<float>(q) - ml;
  }
}

void q3_k(const unsigned char* b, float* out) {
  const unsigned char* quants = b + 32;
  const unsigned char* scales = b + 96;
  const float d = half_at(b + 108);
  for (int i = 0; i < kSuper; ++i) {
    const int group = i / 16;
    const int lower = group < 8 ? low(scales[group]) : high(scales[group - 8]);
    const int upper = scales[8 + group % 4] >> group / 4 * 2 & 3;
    const float dl = d * static_cast<float>((lower | upper << 4) - 32);
    const int q = quants[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
    // The third bit is stored inverted: one that is set takes nothing off.
    const int off = (b[i % 32] >> i / 32 & 1) != 0 ? 0 : 4;
    out[i] = dl * static_cast<float>(q - off);
  }
}

// Scale and minimum of run `run` of 32, 6 bits each.
struct ScaleAndMin {
  float scale, min;
};
ScaleAndMin scale_min(const unsigned char* s, int run) {
  static_assert(kScaleBytes == 12, "three rows of four bytes");
  if (run < 4) return {static_cast<float>(s[run] & 0x3F), static_cast<float>(s[4 + run] & 0x3F)};
  const int r = run - 4;
  return {static_cast<float>(low(s[8 + r]) | (s[r] >> 2 & 0x30)),
          static_cast<float>(high(s[8 + r]) | (s[4 + r] >> 2 & 0x30))};
}

// Runs of 32; each pair of runs is the low and the high nibbles of 32 bytes.
int nibble(const unsigned char* quants, int run, int i) {
  const unsigned char byte = quants[run / 2 * 32 + i];
  return run % 2 == 0 ? low(byte) : high(byte);
}

void q4_k(const unsigned char* b, float* out) {
  const float d = half_at(b);
  const float dmin = half_at(b + 2);
  for (int run = 0; run < 8; ++run) {
    const ScaleAndMin s = scale_min(b + 4, run);
    const float dl = d * s.scale;
    const float ml = dmin * s.min;
    for (int i = 0; i < 32; ++i) out[32 * run + i] = dl * static_cast<float>(nibble(b + 16, run, i)) - ml;
  }
}

void q5_k(const unsigned char* b, float* out) {
  const float d = half_at(b);
  const float dmin = half_at(b + 2);
  for (int run = 0; run < 8; ++run) {
    const ScaleAndMin s = scale_min(b + 4, run);
    const float dl = d * s.scale;
    const float ml = dmin * s.min;
    for (int i = 0; i < 32; ++i) {
      const int q = nibble(b + 48, run, i) | (b[16 + i] >> run & 1) << 4;
      out[32 * run + i] = dl * static_cast<float>(q) - ml;
    }
  }
}

// Halves of 128: four runs of 32, the nibbles of 64 bytes (low, low, high, high) with two bits each of 32 more.
void q6_k(const unsigned char* b, float* out) {
  const unsigned char* upper = b + 128;
  const unsigned char* scales = b + 192;
  const float d = half_at(b + 208);
  for (int i = 0; i < kSuper; ++i) {
    const int half = i / 128;
    const int run = i % 128 / 32;
    const unsigned char byte = b[half * 64 + i % 64];
    const int q = (run < 2 ? low(byte) : high(byte)) | (upper[half * 32 + i % 32] >> 2 * run & 3) << 4;
    out[i] = d * static_cast<float>(signed_byte(scales[i / 16])) * static_cast<float>(q - 32);
  }
}

constexpr GgufType kTypes[] = {
    {0, "F32", 1, 4, "F32", nullptr},         {1, "F16", 1, 2, "F16", nullptr},
    {30, "BF16", 1, 2, "BF16", nullptr},      {2, "Q4_0", 32, 18, nullptr, q4_0},
    {3, "Q4_1", 32, 20, nullptr, q4_1},       {6, "Q5_0", 32, 22, nullptr, q5_0},
    {7, "Q5_1", 32, 24, nullptr, q5_1},       {8, "Q8_0", 32, 34, nullptr, q8_0},
    {10, "Q2_K", kSuper, 84, nullptr, q2_k},  {11, "Q3_K", kSuper, 110, nullptr, q3_k},
    {12, "Q4_K", kSuper, 144, nullptr, q4_k}, {13, "Q5_K", kSuper, 176, nullptr, q5_k},
    {14, "Q6_K", kSuper, 210, nullptr, q6_k},
};

struct OtherType {
  uint32_t code;
  const char* name;
};
constexpr OtherType kOther[] = {{9, "Q8_1"},   {15, "Q8_K"},   {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"},
                                {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"},   {22, "IQ2_S"},  {23, "IQ4_XS"},
                                {24, "I8"},    {25, "I16"},    {26, "I32"},     {27, "I64"},    {28, "F64"},
                                {29, "IQ1_M"}, {34, "TQ1_0"},  {35, "TQ2_0"},   {39, "MXFP4"},  {40, "NVFP4"}};

}  // namespace

const GgufType* find_gguf_type(uint32_t code) {
  for (const GgufType& type : kTypes) {
    if (type.code == code) return &type;
  }
  return nullptr;
}

const char* other_gguf_type(uint32_t code) {
  for (const OtherType& type : kOther) {
    if (type.code == code) return type.name;
  }
  return nullptr;
}

const char* gguf_types_read() { return "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K"; }

}  // namespace circuit
