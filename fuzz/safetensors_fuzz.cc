// Any bytes as a safetensors file: refused with an Error, or every tensor lies inside the file.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "fuzz/verdict.h"
#include "io/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  bool accepted = false;
  try {
    const circuit::SafetensorsHeader header = circuit::parse_safetensors(file, "fuzz");
    for (const circuit::TensorEntry& tensor : header.tensors) {
      if (tensor.begin > size || tensor.size > size - tensor.begin) __builtin_trap();
    }
    accepted = true;
  } catch (const circuit::Error&) {
  }
  return circuit::fuzz_verdict(accepted);
}
