// Reading the parts of a tokenizer from a tokenizer.json, and what tokenizer_config.json adds to them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "text/tokenizer_parts.h"

namespace circuit {

// What replaces a tokenizer.json's own word about a space before the text.
struct PrefixSpace {
  // For a ByteLevel pre-tokenizer, as in transformers 4; one inside a Sequence stays as it is. Null: the file's own.
  std::optional<bool> byte_level;
  // false: a Metaspace pre-tokenizer and Prepend normalizers put nothing before the text, as in transformers 5.
  bool prepends = true;
};

// The parts a tokenizer.json describes. place: its path. Throws Error naming `place` and the key for
// anything broken or not supported.
TokenizerParts read_tokenizer_json(std::string_view text, const std::string& place, const PrefixSpace& prefix = {});
TokenizerParts read_tokenizer_root(const Json& root, const std::string& place, const PrefixSpace& prefix = {});

// The parts from vocab.json, merges.txt and, where present, tokenizer_config.json and added_tokens.json in
// `folder`. Throws Error naming the file.
TokenizerParts read_tokenizer_files(const std::string& folder);

// The parts from the metadata of a GGUF file (gguf_tokenizer.h). Throws Error naming the file and the key.
TokenizerParts read_gguf_tokenizer(const std::string& path);

// The parts from SentencePiece's tokenizer.model and, where present, tokenizer_config.json and added_tokens.json in
// `folder`. Throws Error naming the file, also for a tokenizer_class that reads such a file in a way of its own.
TokenizerParts read_sentencepiece_folder(const std::string& folder);

// Whether a tokenizer.model is a file of tiktoken; and the parts of a folder that has one, whose config.json says that
// the model is a Llama (3). Throws Error naming the file and line.
bool is_tiktoken_file(std::string_view text);
TokenizerParts read_tiktoken_folder(const std::string& folder);

}  // namespace circuit
