#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

#include "text/normalizer.h"
#include "text/unicode.h"

namespace circuit {
namespace {

// The longest decomposition of one code point is 18 code points (U+FDFA).
constexpr size_t kMaxDecomposition = 32;
using Decomposition = std::array<utf8proc_int32_t, kMaxDecomposition>;

int combining_class(int32_t code_point) { return utf8proc_get_property(code_point)->combining_class; }

// Normalises one segment at a time: a segment starts with a code point that neither moves before nor
// composes with what stands before it, so segments are independent and their origin stays narrow.
class UnicodeForm : public Normalizer {
 public:
  explicit UnicodeForm(int options) : options_(static_cast<utf8proc_option_t>(options)) {}

  AlignedText apply(AlignedText in) const override {
    const std::string_view text = in.text;
    if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) {
      return in;
    }
    AlignedText out;
    size_t begin = 0;
    while (begin < text.size()) {
      size_t end = begin + code_point_at(text, begin).size;
      while (end < text.size()) {
        const CodePoint next = code_point_at(text, end);
        if (starts_segment(next.value)) break;
        end += next.size;
      }
      append_segment(in, {begin, end}, out);
      begin = end;
    }
    return out;
  }

 private:
  size_t decompose(int32_t code_point, Decomposition& out) const {
    int boundary = 0;
    const auto size = utf8proc_decompose_char(code_point, out.data(), out.size(), options_, &boundary);
    return static_cast<size_t>(std::max<utf8proc_ssize_t>(size, 0));
  }

  bool starts_segment(int32_t code_point) const {
    if (code_point < 0x300) return true;
    Decomposition parts{};
    if (decompose(code_point, parts) == 0) return false;
    // Besides marks, only conjoining vowels and final consonants of Hangul compose with what precedes them.
    const int32_t first = parts[0];
    if (first >= 0x1160 && first <= 0x11FF) return false;
    const utf8proc_category_t category = utf8proc_category(first);
    const bool mark =
        category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_ME;
    return !mark && combining_class(first) == 0;
  }

  void append_segment(const AlignedText& in, Range segment, AlignedText& out) const {
    std::vector<utf8proc_int32_t> points;
    for (size_t at = segment.begin; at < segment.end;) {
      const CodePoint c = code_point_at(in.text, at);
      Decomposition parts{};
      const size_t size = decompose(c.value, parts);
      points.insert(points.end(), parts.begin(), parts.begin() + static_cast<ptrdiff_t>(size));
      at += c.size;
    }
    order_marks(points);
    auto size = static_cast<utf8proc_ssize_t>(points.size());
    if ((options_ & UTF8PROC_COMPOSE) != 0) size = utf8proc_normalize_utf32(points.data(), size, options_);
    std::string bytes;
    for (utf8proc_ssize_t i = 0; i < size; ++i) append_utf8(points[static_cast<size_t>(i)], bytes);
    const bool unchanged = in.text.compare(segment.begin, segment.size(), bytes) == 0;
    if (unchanged) {
      out.append(in, segment);
    } else {
      out.append(bytes, in.origin_of(segment));
    }
  }

  // The canonical ordering algorithm; utf8proc's own is quadratic in the number of marks in a row.
  static void order_marks(std::vector<utf8proc_int32_t>& points) {
    auto run = points.begin();
    while (run != points.end()) {
      run = std::find_if(run, points.end(), [](int32_t c) { return combining_class(c) != 0; });
      const auto end = std::find_if(run, points.end(), [](int32_t c) { return combining_class(c) == 0; });
      std::stable_sort(run, end, [](int32_t a, int32_t b) { return combining_class(a) < combining_class(b); });
      run = end;
    }
  }

  utf8proc_option_t options_;
};

}  // namespace

std::unique_ptr<Normalizer> make_unicode_form(const std::string& name) {
  if (name == "NFC") return std::make_unique<UnicodeForm>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  if (name == "NFD") return std::make_unique<UnicodeForm>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
  if (name == "NFKC") return std::make_unique<UnicodeForm>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
  if (name == "NFKD") return std::make_unique<UnicodeForm>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
  return nullptr;
}

}  // namespace circuit
