// GGUF files made byte by byte, for tests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace circuit {

// A number's bytes, little endian.
template <class Number>
std::string gguf_bytes(Number value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

inline std::string gguf_string(const std::string& text) { return gguf_bytes(uint64_t{text.size()}) + text; }

class GgufBuilder {
 public:
  GgufBuilder& pair(const std::string& key, uint32_t kind, const std::string& value) {
    pairs_ += gguf_string(key) + gguf_bytes(kind) + value;
    ++n_pairs_;
    return *this;
  }
  GgufBuilder& natural(const std::string& key, uint32_t value) { return pair(key, 4, gguf_bytes(value)); }
  GgufBuilder& number(const std::string& key, float value) { return pair(key, 6, gguf_bytes(value)); }
  GgufBuilder& flag(const std::string& key, bool value) { return pair(key, 7, gguf_bytes(uint8_t{value})); }
  GgufBuilder& text(const std::string& key, const std::string& value) { return pair(key, 8, gguf_string(value)); }
  GgufBuilder& texts(const std::string& key, const std::vector<std::string>& values) {
    std::string items;
    for (const std::string& value : values) items += gguf_string(value);
    return pair(key, 9, gguf_bytes(uint32_t{8}) + gguf_bytes(uint64_t{values.size()}) + items);
  }
  GgufBuilder& integers(const std::string& key, const std::vector<int32_t>& values) {
    std::string items;
    for (const int32_t value : values) items += gguf_bytes(value);
    return pair(key, 9, gguf_bytes(uint32_t{5}) + gguf_bytes(uint64_t{values.size()}) + items);
  }
  GgufBuilder& numbers(const std::string& key, const std::vector<float>& values) {
    std::string items;
    for (const float value : values) items += gguf_bytes(value);
    return pair(key, 9, gguf_bytes(uint32_t{6}) + gguf_bytes(uint64_t{values.size()}) + items);
  }
  // extents: the row's first, as the file has them.
  GgufBuilder& entry(const std::string& name, const std::vector<uint64_t>& extents, uint32_t type, uint64_t offset) {
    entries_ += gguf_string(name) + gguf_bytes(static_cast<uint32_t>(extents.size()));
    for (const uint64_t extent : extents) entries_ += gguf_bytes(extent);
    entries_ += gguf_bytes(type) + gguf_bytes(offset);
    ++n_entries_;
    return *this;
  }
  // A tensor with its bytes, after those before it.
  GgufBuilder& tensor(const std::string& name, const std::vector<uint64_t>& extents, uint32_t type,
                      const std::string& bytes) {
    entry(name, extents, type, data_.size());
    data_ += bytes;
    data_.resize((data_.size() + 31) / 32 * 32, '\0');
    return *this;
  }
  std::string bytes(uint32_t version = 3) const {
    std::string file = "GGUF" + gguf_bytes(version) + gguf_bytes(n_entries_) + gguf_bytes(n_pairs_) + pairs_ + entries_;
    file.resize((file.size() + 31) / 32 * 32, '\0');
    return file + data_;
  }

 private:
  std::string pairs_, entries_, data_;
  uint64_t n_pairs_ = 0;
  uint64_t n_entries_ = 0;
};

}  // namespace circuit
