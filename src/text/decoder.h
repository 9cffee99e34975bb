// Turns the strings of tokens back into text (tokenizer.json's "decoder").
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/json.h"

namespace circuit {

// Whether the tokens begin a text, so that a space which the pre-tokeniser put there is taken off.
enum class DecodeFrom { kStartOfText, kMiddleOfText };

class Decoder {
 public:
  virtual ~Decoder() = default;
  // The strings whose concatenation is the text, or what a later step works on. Valid UTF-8 stays so.
  virtual std::vector<std::string> apply(std::vector<std::string> tokens, DecodeFrom from) const = 0;
  virtual double growth() const { return 1; }
};

// ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace and Sequence; null for a JSON null (tokens are
// then joined by spaces). Throws Error naming `place` and the key for anything else.
std::unique_ptr<Decoder> read_decoder(const Json& json, const std::string& place);

}  // namespace circuit
