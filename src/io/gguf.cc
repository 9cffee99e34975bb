#include "io/gguf.h"

#include <algorithm>

#include "core/error.h"
#include "io/gguf_cursor.h"

namespace circuit {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kLargestAlignment = uint64_t{1} << 20;
constexpr uint32_t kMaxDims = 4;
// The least bytes of a key-value (an empty key, its kind, one byte) and of a tensor's entry (an empty name, no extent).
constexpr uint64_t kLeastPair = 8 + 4 + 1;
constexpr uint64_t kLeastTensor = 8 + 4 + 4 + 8;

const GgufType& type_of(uint32_t code, const std::string& name, const std::string& place) {
  if (const GgufType* type = find_gguf_type(code)) return *type;
  if (const char* other = other_gguf_type(code)) {
    fail(place, "tensor '{}': type {} is not read. Read are {}.", name, other, gguf_types_read());
  }
  fail(place, "tensor '{}': type {} is not known. Read are {}.", name, code, gguf_types_read());
}

// Shape, type and offset (from the start of the data) of one tensor.
GgufTensor read_entry(GgufCursor& cursor, const std::string& place) {
  GgufTensor tensor;
  tensor.name = cursor.name("a tensor's name");
  const std::string what = "tensor '" + tensor.name + "'";
  const uint32_t dims = cursor.word(what);
  if (dims == 0 || dims > kMaxDims) fail(place, "{}: found {} dimensions, expected 1 to {}.", what, dims, kMaxDims);
  uint64_t numbers = 1;
  for (uint32_t i = 0; i < dims; ++i) {
    const uint64_t extent = cursor.count(what);
    if (extent == 0) fail(place, "{}: found an extent of 0.", what);
    if (extent > static_cast<uint64_t>(INT64_MAX) || __builtin_mul_overflow(numbers, extent, &numbers)) {
      fail(place, "{}: its shape overflows 64 bits.", what);
    }
    tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(extent));
  }
  tensor.type = &type_of(cursor.word(what), tensor.name, place);
  const auto row = static_cast<uint64_t>(tensor.shape.back());
  if (row % tensor.type->block != 0) {
    fail(place, "{}: rows of {} numbers are no whole blocks of {}, which are {} numbers.", what, row, tensor.type->name,
         tensor.type->block);
  }
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(numbers / tensor.type->block, tensor.type->bytes, &bytes)) {
    fail(place, "{}: its shape overflows 64 bits.", what);
  }
  tensor.size = bytes;
  tensor.begin = cursor.count(what);
  return tensor;
}

// Moves the offsets to where the data begins, and holds them against the file.
void place_tensors(std::vector<GgufTensor>& tensors, uint64_t data, uint64_t alignment, uint64_t file_bytes,
                   const std::string& place) {
  const uint64_t data_bytes = data > file_bytes ? 0 : file_bytes - data;
  for (GgufTensor& tensor : tensors) {
    if (tensor.begin % alignment != 0) {
      fail(place, "tensor '{}': offset {} is no multiple of the alignment, {}.", tensor.name, tensor.begin, alignment);
    }
    if (tensor.begin > data_bytes || tensor.size > data_bytes - tensor.begin) {
      fail(place, "tensor '{}': {} bytes from byte {} of the data, which has {}. The file is truncated: copy it again.",
           tensor.name, tensor.size, tensor.begin, data_bytes);
    }
    tensor.begin += data;
  }
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const GgufTensor& a, const GgufTensor& b) { return a.begin < b.begin; });
  for (size_t i = 1; i < tensors.size(); ++i) {
    if (tensors[i].begin >= tensors[i - 1].begin + tensors[i - 1].size) continue;
    fail(place, "tensor '{}': its bytes overlap those of '{}'.", tensors[i].name, tensors[i - 1].name);
  }
}

uint64_t alignment_of(const GgufHeader& header) {
  const auto alignment =
      static_cast<uint64_t>(header.optional_integer("general.alignment").value_or(kDefaultAlignment));
  if (alignment == 0 || alignment > kLargestAlignment || (alignment & (alignment - 1)) != 0) {
    fail(header.place(), "general.alignment: found {}, expected a power of two up to {}.", alignment,
         kLargestAlignment);
  }
  return alignment;
}

}  // namespace

GgufHeader GgufHeader::parse(std::string_view file, const std::string& place) {
  GgufHeader header;
  header.place_ = place;
  if (file.substr(0, kMagic.size()) != kMagic) fail(place, "does not begin with GGUF: it is no GGUF file.");
  GgufCursor cursor(file, place);
  cursor.take(kMagic.size(), "magic");
  const uint32_t version = cursor.word("version");
  if ((version & 0xFFFF) == 0) fail(place, "version: the file is big-endian, which is not read.");
  if (version < 2 || version > 3) fail(place, "version: found {}, expected 2 or 3.", version);
  const uint64_t tensors = cursor.count("number of tensors");
  const uint64_t pairs = cursor.count("number of key-values");
  cursor.expect(pairs, kLeastPair, "number of key-values");
  for (uint64_t i = 0; i < pairs; ++i) {
    const std::string key = cursor.name(fmt::format("key {}", i + 1));
    if (!header.values_.emplace(key, cursor.value(key)).second) fail(place, "{}: appears twice.", key);
  }
  cursor.expect(tensors, kLeastTensor, "number of tensors");
  const uint64_t alignment = alignment_of(header);
  for (uint64_t i = 0; i < tensors; ++i) header.tensors_.push_back(read_entry(cursor, place));
  const uint64_t data = (cursor.at() + alignment - 1) / alignment * alignment;
  place_tensors(header.tensors_, data, alignment, file.size(), place);
  for (size_t i = 0; i < header.tensors_.size(); ++i) {
    if (header.index_.emplace(header.tensors_[i].name, i).second) continue;
    fail(place, "tensor '{}': appears twice.", header.tensors_[i].name);
  }
  return header;
}

}  // namespace circuit
