// Texts to numbers, found by following a text byte by byte.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace circuit {

class ByteTrie {
 public:
  static constexpr int64_t kRoot = 0;
  static constexpr int64_t kNone = -1;

  // value: 0 or more; of two entries with one text the first stays.
  void add(std::string_view text, int64_t value) {
    int64_t node = kRoot;
    for (const char byte : text) {
      const auto [edge, is_new] = children_.emplace(key(node, byte), static_cast<int64_t>(values_.size()));
      if (is_new) values_.push_back(kNone);
      node = edge->second;
    }
    int64_t& held = values_[static_cast<size_t>(node)];
    if (held == kNone) held = value;
  }
  // The node behind `byte`, or kNone.
  int64_t next(int64_t node, char byte) const {
    const auto found = children_.find(key(node, byte));
    return found == children_.end() ? kNone : found->second;
  }
  int64_t value(int64_t node) const { return values_[static_cast<size_t>(node)]; }
  // Bytes of the longest entry with which text[at, …) begins; 0: none.
  size_t longest(std::string_view text, size_t at) const {
    size_t best = 0;
    int64_t node = kRoot;
    for (size_t end = at; end < text.size(); ++end) {
      node = next(node, text[end]);
      if (node == kNone) break;
      if (value(node) != kNone) best = end + 1 - at;
    }
    return best;
  }

 private:
  static uint64_t key(int64_t node, char byte) {
    return static_cast<uint64_t>(node) << 8 | static_cast<unsigned char>(byte);
  }
  std::unordered_map<uint64_t, int64_t> children_;
  std::vector<int64_t> values_ = {kNone};
};

}  // namespace circuit
