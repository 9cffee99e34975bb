#include "io/gguf_cursor.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "io/json.h"

namespace circuit {
namespace {

constexpr int kMaxNesting = 8;
constexpr size_t kMaxName = 65535;  // the format's own limit for keys

template <class Number>
Number number_at(std::string_view bytes) {
  Number value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

}  // namespace

uint64_t gguf_kind_bytes(GgufKind kind) {
  switch (kind) {
    case GgufKind::kUint8:
    case GgufKind::kInt8:
    case GgufKind::kBool:
      return 1;
    case GgufKind::kUint16:
    case GgufKind::kInt16:
      return 2;
    case GgufKind::kUint32:
    case GgufKind::kInt32:
    case GgufKind::kFloat32:
      return 4;
    case GgufKind::kUint64:
    case GgufKind::kInt64:
    case GgufKind::kFloat64:
      return 8;
    case GgufKind::kString:
    case GgufKind::kArray:
      return 0;
  }
  return 0;
}

GgufValue gguf_scalar(GgufKind kind, std::string_view bytes) {
  switch (kind) {
    case GgufKind::kUint8:
      return uint64_t{number_at<uint8_t>(bytes)};
    case GgufKind::kInt8:
      return int64_t{number_at<int8_t>(bytes)};
    case GgufKind::kUint16:
      return uint64_t{number_at<uint16_t>(bytes)};
    case GgufKind::kInt16:
      return int64_t{number_at<int16_t>(bytes)};
    case GgufKind::kUint32:
      return uint64_t{number_at<uint32_t>(bytes)};
    case GgufKind::kInt32:
      return int64_t{number_at<int32_t>(bytes)};
    case GgufKind::kFloat32:
      return double{number_at<float>(bytes)};
    case GgufKind::kBool:
      return number_at<uint8_t>(bytes) != 0;
    case GgufKind::kUint64:
      return number_at<uint64_t>(bytes);
    case GgufKind::kInt64:
      return number_at<int64_t>(bytes);
    case GgufKind::kFloat64:
      return number_at<double>(bytes);
    case GgufKind::kString:
    case GgufKind::kArray:
      break;
  }
  return bytes;
}

std::string_view GgufCursor::take(uint64_t bytes, const std::string& what) {
  if (bytes > left()) {
    fail(place_, "{}: needs {} bytes at byte {}, {} are left. The file is truncated: copy it again.", what, bytes, at_,
         left());
  }
  const std::string_view taken = file_.substr(at_, bytes);
  at_ += bytes;
  return taken;
}

uint32_t GgufCursor::word(const std::string& what) { return number_at<uint32_t>(take(4, what)); }

uint64_t GgufCursor::count(const std::string& what) { return number_at<uint64_t>(take(8, what)); }

void GgufCursor::expect(uint64_t count, uint64_t least, const std::string& what) const {
  if (count <= left() / least) return;
  fail(place_, "{}: found {}, more than the {} bytes that are left can hold. The file is truncated or damaged.", what,
       count, left());
}

std::string_view GgufCursor::string(const std::string& what) { return take(count(what), what); }

std::string GgufCursor::name(const std::string& what) {
  const std::string_view text = string(what);
  const bool plain =
      std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  if (text.empty() || text.size() > kMaxName || !plain || !is_valid_utf8(text)) {
    fail(place_, "{}: found no name of 1 to {} printable characters. The file is damaged.", what, kMaxName);
  }
  return std::string(text);
}

GgufKind GgufCursor::kind(const std::string& what) {
  const uint32_t code = word(what);
  if (code > static_cast<uint32_t>(GgufKind::kFloat64))
    fail(place_, "{}: found kind {}, expected 0 to 12.", what, code);
  return static_cast<GgufKind>(code);
}

GgufArray GgufCursor::array(const std::string& what, int depth) {
  if (depth >= kMaxNesting) fail(place_, "{}: arrays are nested deeper than {} levels.", what, kMaxNesting);
  GgufArray found;
  found.kind = kind(what);
  found.count = count(what);
  const uint64_t element = gguf_kind_bytes(found.kind);
  expect(found.count, element == 0 ? 8 : element, what);
  const size_t begin = at_;
  if (element > 0) take(found.count * element, what);
  for (uint64_t i = 0; element == 0 && i < found.count; ++i) {
    if (found.kind == GgufKind::kString) {
      string(what);
    } else {
      array(what, depth + 1);
    }
  }
  found.bytes = file_.substr(begin, at_ - begin);
  return found;
}

GgufValue GgufCursor::value(const std::string& what) {
  const GgufKind found = kind(what);
  if (found == GgufKind::kString) return string(what);
  if (found == GgufKind::kArray) return array(what, 0);
  return gguf_scalar(found, take(gguf_kind_bytes(found), what));
}

}  // namespace circuit
