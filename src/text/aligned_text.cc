#include "text/aligned_text.h"

namespace circuit {

AlignedText AlignedText::identity(std::string_view original, Range range) {
  AlignedText out;
  out.text = original.substr(range.begin, range.size());
  out.origin.resize(range.size());
  for (size_t i = 0; i < range.size(); ++i) out.origin[i] = {range.begin + i, range.begin + i + 1};
  return out;
}

AlignedText AlignedText::slice(Range range) const {
  AlignedText out;
  out.append(*this, range);
  return out;
}

void AlignedText::append(std::string_view bytes, Range from) {
  text.append(bytes);
  origin.insert(origin.end(), bytes.size(), from);
}

void AlignedText::append(const AlignedText& other, Range range) {
  text.append(other.text, range.begin, range.size());
  origin.insert(origin.end(), other.origin.begin() + static_cast<ptrdiff_t>(range.begin),
                other.origin.begin() + static_cast<ptrdiff_t>(range.end));
}

}  // namespace circuit
