// Any bytes as a GGUF file: refused with an Error, or every tensor lies inside the file, every block can be
// dequantised, and what the metadata says of model and tokenizer is read or refused.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "fuzz/verdict.h"
#include "io/gguf.h"
#include "model/gguf_config.h"
#include "text/gguf_tokenizer.h"
#include "text/tokenizer_json.h"

namespace {

template <class Read>
void read_or_refuse(const Read& read) {
  try {
    read();
  } catch (const circuit::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  bool accepted = false;
  try {
    const circuit::GgufHeader header = circuit::GgufHeader::parse(file, "fuzz");
    for (const circuit::GgufTensor& tensor : header.tensors()) {
      if (tensor.begin > size || tensor.size > size - tensor.begin) __builtin_trap();
      const circuit::GgufType& type = *tensor.type;
      std::vector<float> block(type.block);
      for (size_t at = 0; type.dequantize != nullptr && at + type.bytes <= tensor.size; at += type.bytes) {
        type.dequantize(data + tensor.begin + at, block.data());
      }
      read_or_refuse([&] { (void)circuit::gguf_tensor_name(header, tensor.name); });
    }
    read_or_refuse([&] { (void)circuit::gguf_config(header, file); });
    read_or_refuse([&] { (void)circuit::gguf_generation_config(header); });
    read_or_refuse([&] { (void)circuit::gguf_tokenizer_config(header); });
    read_or_refuse([&] { (void)circuit::read_tokenizer_root(circuit::gguf_tokenizer_json(header), "fuzz"); });
    accepted = true;
  } catch (const circuit::Error&) {
  }
  return circuit::fuzz_verdict(accepted);
}
