// Reading the parts of a tokenizer from a tokenizer.json, and what tokenizer_config.json adds to them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "text/tokenizer_parts.h"

namespace circuit {

// The parts a tokenizer.json describes. place: its path. add_prefix_space, where given, replaces that of a ByteLevel
// pre-tokenizer, as transformers 4 does; one inside a Sequence stays as it is. Throws Error naming `place` and the key
// for anything broken or not supported.
TokenizerParts read_tokenizer_json(std::string_view text, const std::string& place,
                                   std::optional<bool> add_prefix_space = std::nullopt);

// The parts from vocab.json, merges.txt and, where present, tokenizer_config.json and added_tokens.json in
// `folder`. Throws Error naming the file.
TokenizerParts read_tokenizer_files(const std::string& folder);

}  // namespace circuit
