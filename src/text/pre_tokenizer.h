// Cuts the text into the pieces that the model tokenises one by one (tokenizer.json's "pre_tokenizer").
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "text/aligned_text.h"

namespace circuit {

// `ranges` are byte ranges of `aligned.text`: in order, without overlap, none empty. Bytes in no range
// belong to no piece and get no token.
struct Pieces {
  AlignedText aligned;
  std::vector<Range> ranges;
};

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual Pieces apply(Pieces pieces) const = 0;
  // Upper bound of bytes out per byte in.
  virtual double growth() const { return 1; }
};

// ByteLevel, Split, Metaspace, Digits, Punctuation, Whitespace, WhitespaceSplit and Sequence; null for a
// JSON null. Throws Error naming `place` and the key for anything else.
std::unique_ptr<PreTokenizer> read_pre_tokenizer(const Json& json, const std::string& place);

// GPT-2's pattern, which ByteLevel uses (Radford et al. 2019, encoder.py).
extern const char* const kGpt2Pattern;
// Qwen2Tokenizer's (transformers, models/qwen2/tokenization_qwen2.py, PRETOKENIZE_REGEX).
extern const char* const kQwen2Pattern;

}  // namespace circuit
