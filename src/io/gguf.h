// The GGUF format of llama.cpp, versions 2 and 3, little endian: key-values, the tensors' names, shapes, types and
// offsets, then their bytes. https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. This header knows no torch and
// no key; text/ and model/ say what the values mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "io/gguf_blocks.h"

namespace circuit {

enum class GgufKind : uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64
};

// Values of one kind, as bytes of the file that were walked once; read out on demand.
struct GgufArray {
  GgufKind kind = GgufKind::kUint8;
  uint64_t count = 0;
  std::string_view bytes;
};

using GgufValue = std::variant<uint64_t, int64_t, double, bool, std::string_view, GgufArray>;

struct GgufTensor {
  std::string name;
  const GgufType* type = nullptr;
  std::vector<int64_t> shape;  // row-major: the last extent is that of a row, which the file has first
  size_t begin = 0;            // bytes from the start of the file
  size_t size = 0;             // bytes
};

// What stands before the tensors' bytes. Views point into the file's bytes, which must outlive it.
class GgufHeader {
 public:
  // Reads and checks the header of a whole file's bytes: every count against the bytes that are there, names that
  // appear twice, shapes, types, offsets, overlaps. Throws Error naming `place` and the key or the tensor.
  static GgufHeader parse(std::string_view file, const std::string& place);

  const std::string& place() const { return place_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }  // by offset in the file
  const GgufTensor* find_tensor(const std::string& name) const;

  bool has(const std::string& key) const { return values_.count(key) > 0; }
  std::vector<std::string> keys() const;
  // The value of a key, of any integer width. Throw Error naming the key: it is missing (without a fallback), or of
  // another kind.
  int64_t integer(const std::string& key) const;
  std::optional<int64_t> optional_integer(const std::string& key) const;
  double number(const std::string& key) const;
  std::optional<double> optional_number(const std::string& key) const;
  bool flag(const std::string& key, bool fallback) const;
  std::string text(const std::string& key) const;
  std::string text(const std::string& key, const std::string& fallback) const;
  // Arrays whole. Texts are valid UTF-8.
  std::vector<std::string> texts(const std::string& key) const;
  std::vector<int64_t> integers(const std::string& key) const;
  std::vector<double> numbers(const std::string& key) const;

 private:
  const GgufValue* find(const std::string& key) const;
  const GgufValue& require(const std::string& key) const;
  const GgufArray& array(const std::string& key) const;

  std::string place_;
  std::map<std::string, GgufValue> values_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string, size_t> index_;
};

// The GGUF file that a model's path means: the file itself, or the only one in a folder without config.json. Nothing:
// the path means something else. Throws Error for a folder that has several.
std::optional<std::string> gguf_of(const std::string& path);

}  // namespace circuit
