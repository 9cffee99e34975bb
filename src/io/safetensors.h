// The safetensors format: 8 bytes header length (little endian), a JSON header, then the tensors' bytes.
// https://huggingface.co/docs/safetensors. This header knows no torch; model/ makes tensors over the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace circuit {

struct TensorEntry {
  std::string name;
  std::string dtype;           // as in the file: "F32", "F16", "BF16", "F64", "I64", …
  std::vector<int64_t> shape;  // every extent ≥ 0
  size_t begin = 0;            // bytes from the start of the file
  size_t size = 0;             // bytes
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<TensorEntry> tensors;  // by offset in the file, ties by name
};

// Bytes of one element of a safetensors dtype; 0 for an unknown one.
size_t dtype_bytes(const std::string& dtype);

// Reads and checks the header of a whole file's bytes: length inside the file, shape × dtype = byte range,
// ranges inside the file, without overlap or gap. Throws Error naming `place` and the tensor.
SafetensorsHeader parse_safetensors(std::string_view file, const std::string& place);

// What stands before the tensors' bytes of a file that holds them in this order (begin and size are not looked at):
// the length and the header, padded so that the data is aligned as the reference writer's.
std::string safetensors_prefix(const std::vector<TensorEntry>& tensors,
                               const std::map<std::string, std::string>& metadata);

struct TensorBytes {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  const void* data = nullptr;  // row-major, dtype_bytes × Π shape
};

// Writes one file by atomic rename. Tensors stand in the order given. Throws Error naming the path.
void write_safetensors(const std::string& path, const std::vector<TensorBytes>& tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace circuit
