// What cuts a piece of text into the tokens of a vocabulary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace circuit {

struct BpeToken {
  uint32_t id = 0;
  size_t size = 0;  // bytes of the piece it covers
};

class TokenModel {
 public:
  virtual ~TokenModel() = default;

  // Appends the tokens of `piece`, which cover it from start to end. Throws Error for a character outside the
  // vocabulary when neither bytes nor an unknown token stand for it.
  virtual void encode(std::string_view piece, std::vector<BpeToken>& tokens) const = 0;

  virtual std::optional<uint32_t> id_of(const std::string& token) const = 0;
  // The token with this id; null when none has it.
  virtual const std::string* token_of(int64_t id) const = 0;
  // -1 for an empty vocabulary.
  virtual int64_t largest_id() const = 0;
};

}  // namespace circuit
