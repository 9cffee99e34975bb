// A walk over the bytes of a GGUF header that never leaves them. Internal to io/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "io/gguf.h"

namespace circuit {

// Bytes of one value; 0 where they vary.
uint64_t gguf_kind_bytes(GgufKind kind);

// A value of fixed size from its bytes, little endian as the machines this runs on.
GgufValue gguf_scalar(GgufKind kind, std::string_view bytes);

// `what` names the key or tensor that is read, for the Error that every member throws where bytes are missing.
class GgufCursor {
 public:
  GgufCursor(std::string_view file, const std::string& place) : file_(file), place_(place) {}

  size_t at() const { return at_; }
  uint64_t left() const { return file_.size() - at_; }

  std::string_view take(uint64_t bytes, const std::string& what);
  uint32_t word(const std::string& what);
  uint64_t count(const std::string& what);
  std::string_view string(const std::string& what);
  // A string that messages of one line may print.
  std::string name(const std::string& what);
  GgufValue value(const std::string& what);
  // Throws Error unless `count` things of at least `least` bytes each fit into what is left.
  void expect(uint64_t count, uint64_t least, const std::string& what) const;

 private:
  GgufKind kind(const std::string& what);
  GgufArray array(const std::string& what, int depth);

  std::string_view file_;
  const std::string& place_;
  size_t at_ = 0;
};

}  // namespace circuit
