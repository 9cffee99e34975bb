// How ggml stores the numbers of a tensor: in blocks of a row, which share scales.
// https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h; the values are those that the Python package gguf
// gives (gguf/quants.py), bit for bit where they are finite.
#pragma once

#include <cstddef>
#include <cstdint>

namespace circuit {

struct GgufType {
  uint32_t code;         // in the file
  const char* name;      // "Q4_1"
  size_t block;          // numbers of a block
  size_t bytes;          // of a block
  const char* stays_as;  // the safetensors dtype it already is; null: it is dequantised to F32
  // Writes the `block` numbers of one block; null where stays_as is set.
  void (*dequantize)(const unsigned char* block, float* out);
};

// Null for a type that is not read.
const GgufType* find_gguf_type(uint32_t code);

// The name of a type that ggml has and that is not read; null for an unknown one.
const char* other_gguf_type(uint32_t code);

// "F32, F16, …", for messages.
const char* gguf_types_read();

}  // namespace circuit
