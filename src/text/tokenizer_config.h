// What tokenizer_config.json, special_tokens_map.json and added_tokens.json say besides the model itself.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/json.h"
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
  // For a ByteLevel pre-tokenizer; false where the files do not say, null (tokenizer.json decides) for LlamaTokenizer.
  std::optional<bool> add_prefix_space;
  bool prepends_space = true;  // false: LlamaTokenizer is told to put no U+2581 before a text
  // Null: the files do not say. null in the file counts as false.
  std::optional<bool> add_bos_token, add_eos_token;
  std::vector<AddedToken> added;  // added_tokens.json, then added_tokens_decoder, which overrules it
  std::vector<NamedToken> named;  // special_tokens_map.json, then the config's own, which overrule it

  bool names(const std::string& key) const;  // whether `named` has the role `key`
};

// Reads the three files of `folder`, each where present. Throws Error naming the file and the key.
TokenizerConfig read_tokenizer_config(const std::string& folder);
// The same of the tokens with a role in a tokenizer_config.json alone. place: what it comes from.
TokenizerConfig parse_tokenizer_config(const Json& json, const std::string& place);

// Adds the tokens, marks the named ones special, and sets begin and end token. add_bos_token and add_eos_token, or a
// class that sets them itself (LlamaTokenizer), decide what stands around a text where tokenizer.json says otherwise:
// no begin token, or another one than bos_token (transformers 4, update_post_processor). Throws Error naming the key.
void apply_tokenizer_config(const TokenizerConfig& config, TokenizerParts& parts);

}  // namespace circuit
