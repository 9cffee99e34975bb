#include "io/safetensors.h"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"

namespace circuit {
namespace {

constexpr size_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr size_t kLengthBytes = 8;
constexpr size_t kMaxRank = 16;

uint64_t read_little_endian(const char* bytes) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

int64_t extent(const Json& value, const std::string& name, const std::string& place) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
    fail(place, "tensor '{}': shape and data_offsets must be non-negative integers.", name);
  }
  return value.get<int64_t>();
}

TensorEntry parse_entry(const std::string& name, const Json& json, const std::string& place) {
  if (!json.is_object()) fail(place, "tensor '{}': found a {}, expected an object.", name, json.type_name());
  const std::string where = place + ", tensor '" + name + "'";
  TensorEntry entry;
  entry.name = name;
  entry.dtype = require_string(json, "dtype", where);
  const size_t element = dtype_bytes(entry.dtype);
  if (element == 0) fail(place, "tensor '{}': unknown dtype '{}'.", name, entry.dtype);
  const Json& shape = require(json, "shape", where);
  const Json& offsets = require(json, "data_offsets", where);
  if (!shape.is_array() || shape.size() > kMaxRank) {
    fail(place, "tensor '{}': shape must be a list of at most {} integers.", name, kMaxRank);
  }
  if (!offsets.is_array() || offsets.size() != 2) {
    fail(place, "tensor '{}': data_offsets must be two integers.", name);
  }
  size_t bytes = element;
  for (const Json& item : shape) {
    entry.shape.push_back(extent(item, name, place));
    if (__builtin_mul_overflow(bytes, static_cast<size_t>(entry.shape.back()), &bytes)) {
      fail(place, "tensor '{}': its shape overflows 64 bits.", name);
    }
  }
  const auto begin = static_cast<size_t>(extent(offsets[0], name, place));
  const auto end = static_cast<size_t>(extent(offsets[1], name, place));
  if (begin > end || end - begin != bytes) {
    fail(place, "tensor '{}': data_offsets [{}, {}] do not span the {} bytes of its shape and dtype.", name, begin, end,
         bytes);
  }
  entry.begin = begin;
  entry.size = bytes;
  return entry;
}

size_t bytes_of(const std::string& dtype, const std::vector<int64_t>& shape) {
  size_t bytes = dtype_bytes(dtype);
  for (const int64_t n : shape) bytes *= static_cast<size_t>(n);
  return bytes;
}

void check_layout(const std::vector<TensorEntry>& tensors, size_t data_bytes, const std::string& place) {
  size_t expected = 0;
  for (const TensorEntry& entry : tensors) {
    if (entry.begin + entry.size > data_bytes) {
      fail(place, "tensor '{}': ends at byte {} of the data, the file has {}. It is truncated: copy it again.",
           entry.name, entry.begin + entry.size, data_bytes);
    }
    if (entry.begin != expected) {
      fail(place, "tensor '{}': starts at byte {} of the data, expected {} (overlap or gap).", entry.name, entry.begin,
           expected);
    }
    expected += entry.size;
  }
  if (expected != data_bytes) {
    fail(place, "{} bytes after the last tensor: the header and the file do not belong together.",
         data_bytes - expected);
  }
}

}  // namespace

size_t dtype_bytes(const std::string& dtype) {
  static const std::map<std::string, size_t> kBytes{
      {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},  {"I32", 4},     {"I16", 2},    {"I8", 1},
      {"U64", 8}, {"U32", 4}, {"U16", 2}, {"U8", 1},   {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1}};
  const auto found = kBytes.find(dtype);
  return found == kBytes.end() ? 0 : found->second;
}

SafetensorsHeader parse_safetensors(std::string_view file, const std::string& place) {
  if (file.size() < kLengthBytes) fail(place, "{} bytes are too few for a safetensors file.", file.size());
  const uint64_t header_bytes = read_little_endian(file.data());
  if (header_bytes > kMaxHeaderBytes || header_bytes > file.size() - kLengthBytes) {
    fail(place, "header length {} does not fit the file of {} bytes: truncated, or not safetensors.", header_bytes,
         file.size());
  }
  const Json json = parse_json(file.substr(kLengthBytes, header_bytes), place + " (header)");
  if (!json.is_object()) fail(place, "the header is a JSON {}, expected an object.", json.type_name());
  SafetensorsHeader header;
  for (const auto& [name, value] : json.items()) {
    if (name != "__metadata__") {
      header.tensors.push_back(parse_entry(name, value, place));
      continue;
    }
    if (!value.is_object()) fail(place, "__metadata__ must be an object of strings.");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) fail(place, "__metadata__.{} must be a string.", key);
      header.metadata[key] = text.get<std::string>();
    }
  }
  std::sort(header.tensors.begin(), header.tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::tie(a.begin, a.size, a.name) < std::tie(b.begin, b.size, b.name);
  });
  check_layout(header.tensors, file.size() - kLengthBytes - header_bytes, place);
  for (TensorEntry& entry : header.tensors) entry.begin += kLengthBytes + header_bytes;
  return header;
}

std::string safetensors_prefix(const std::vector<TensorEntry>& tensors,
                               const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header;
  if (!metadata.empty()) header["__metadata__"] = metadata;
  size_t offset = 0;
  for (const TensorEntry& tensor : tensors) {
    const size_t end = offset + bytes_of(tensor.dtype, tensor.shape);
    header[tensor.name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.is_null() ? "{}" : header.dump();
  while (text.size() % kLengthBytes != 0) text += ' ';  // keeps the data aligned, as the reference writer does
  std::string length(kLengthBytes, '\0');
  for (size_t i = 0; i < kLengthBytes; ++i) length[i] = static_cast<char>(text.size() >> (8 * i) & 0xFF);
  return length + text;
}

void write_safetensors(const std::string& path, const std::vector<TensorBytes>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<TensorEntry> entries;
  for (const TensorBytes& tensor : tensors) entries.push_back({tensor.name, tensor.dtype, tensor.shape, 0, 0});
  AtomicFile file(path);
  file.write(safetensors_prefix(entries, metadata));
  for (const TensorBytes& tensor : tensors) {
    const size_t size = bytes_of(tensor.dtype, tensor.shape);
    if (size > 0) file.write(tensor.data, size);
  }
  file.commit();
}

}  // namespace circuit
