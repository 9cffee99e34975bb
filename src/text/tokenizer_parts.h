// What a loaded tokenizer consists of, in the order text passes through it. Internal to text/.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/decoder.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"

namespace circuit {

struct TokenizerParts {
  AddedTokens added;
  std::unique_ptr<Normalizer> normalizer;       // null: the text as it is
  std::unique_ptr<PreTokenizer> pre_tokenizer;  // null: one piece
  std::unique_ptr<TokenModel> model;
  bool has_template = false;         // the file itself says which tokens go around the text
  std::vector<int64_t> before;       // ids put before the text
  std::vector<int64_t> after;        // ids put after it
  std::unique_ptr<Decoder> decoder;  // null: tokens are joined by spaces
  std::optional<int64_t> bos_id;
  std::optional<int64_t> eos_id;

  // The id of a token of the vocabulary or an added one, and back; null when there is none.
  std::optional<int64_t> id_of(const std::string& token) const;
  const std::string* token_of(int64_t id) const;
  int64_t largest_id() const;
  // Makes the lookups; after everything else is set.
  void finish();
};

}  // namespace circuit
