// Byte-pair encoding of one piece of text (Sennrich et al. 2016, algorithm 1), as tokenizer.json's "BPE".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "io/json.h"
#include "text/token_model.h"

namespace circuit {

struct BpeOptions {
  std::optional<std::string> unk_token;  // stands for characters outside the vocabulary
  bool fuse_unk = false;                 // a run of such characters is one token
  bool byte_fallback = false;            // such a character becomes its bytes, <0x00> … <0xFF>
  bool ignore_merges = false;            // a piece that is a token is that token, whatever the merges say
};

using Vocabulary = std::unordered_map<std::string, uint32_t>;

class Bpe : public TokenModel {
 public:
  using Merge = std::pair<std::string, std::string>;

  // merges: by rank, the first is applied first. Throws Error naming `place` and the merge or option
  // whose tokens are not in the vocabulary.
  Bpe(Vocabulary vocabulary, const std::vector<Merge>& merges, const BpeOptions& options, const std::string& place);

  // O(n log n) in the length of the piece.
  void encode(std::string_view piece, std::vector<BpeToken>& tokens) const override;
  std::optional<uint32_t> id_of(const std::string& token) const override;
  const std::string* token_of(int64_t id) const override;
  int64_t largest_id() const override { return largest_id_; }

 private:
  struct MergeTo {
    uint32_t rank;
    uint32_t id;
  };

  std::vector<BpeToken> characters_of(std::string_view piece) const;
  bool append_bytes(std::string_view character, std::vector<BpeToken>& tokens) const;
  void append_unknown(std::string_view character, bool joins, std::vector<BpeToken>& tokens) const;
  void merge(std::vector<BpeToken>& tokens) const;
  const MergeTo* find_merge(uint32_t left, uint32_t right) const;

  Vocabulary vocabulary_;
  std::unordered_map<int64_t, std::string> token_of_;
  int64_t largest_id_ = -1;
  std::unordered_map<uint64_t, MergeTo> merges_;  // by (left id << 32 | right id)
  std::optional<uint32_t> unk_id_;
  bool fuse_unk_;
  bool byte_fallback_;
  bool ignore_merges_;
};

// {"token": id, …}: ids from 0 to kMaxTokenId, each used once. Throws Error naming `place` and the token.
constexpr int64_t kMaxTokenId = int64_t{1} << 30;
Vocabulary read_vocabulary(const Json& json, const std::string& place);

}  // namespace circuit
