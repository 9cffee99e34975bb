// What tokenizer_config.json, special_tokens_map.json and added_tokens.json say besides the model itself.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "text/tokenizer_parts.h"

namespace circuit {

// A token with a role: key is "bos_token", "eos_token", "pad_token", …; its id is looked up by content.
struct NamedToken {
  std::string key;
  AddedToken token;
};

struct TokenizerConfig {
  std::string place;            // the path of tokenizer_config.json
  std::string tokenizer_class;  // without "Fast" at the end; empty: not said
  bool add_prefix_space = false;
  bool add_bos_token = false;
  bool add_eos_token = false;
  std::vector<AddedToken> added;  // added_tokens.json, then added_tokens_decoder, which overrules it
  std::vector<NamedToken> named;  // special_tokens_map.json, then the config's own, which overrule it
};

// Reads the three files of `folder`, each where present. Throws Error naming the file and the key.
TokenizerConfig read_tokenizer_config(const std::string& folder);

// Adds the tokens, marks the named ones special, and sets begin and end token; add_bos_token and
// add_eos_token count only where the tokenizer.json has no template. Throws Error naming the key.
void apply_tokenizer_config(const TokenizerConfig& config, TokenizerParts& parts);

}  // namespace circuit
