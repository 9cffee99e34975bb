// A text that remembers which bytes of the original text each of its bytes came from.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace circuit {

struct Range {
  size_t begin = 0;
  size_t end = 0;  // one past the last byte

  size_t size() const { return end - begin; }
  bool empty() const { return begin == end; }
  friend bool operator==(const Range& a, const Range& b) { return a.begin == b.begin && a.end == b.end; }
};

// `origin[i]` is the byte range of the original text that `text[i]` stands for; begin and end never
// decrease along the text. Inserted bytes have an empty range where they were inserted.
struct AlignedText {
  std::string text;
  std::vector<Range> origin;  // one per byte of `text`

  // Bytes `range` of the original text, unchanged.
  static AlignedText identity(std::string_view original, Range range);
  AlignedText slice(Range range) const;

  // Appends bytes that all stand for `from`.
  void append(std::string_view bytes, Range from);
  // Appends `range` of another text over the same original.
  void append(const AlignedText& other, Range range);

  // The original bytes that `range` (not empty) stands for.
  Range origin_of(Range range) const { return {origin[range.begin].begin, origin[range.end - 1].end}; }
  // The empty place in the original just before byte `at`.
  Range place_before(size_t at) const { return {origin[at].begin, origin[at].begin}; }
};

}  // namespace circuit
