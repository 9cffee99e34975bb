// Any bytes as a tokenizer.model, behind a NUL-ended text: refused with an Error, or the text is cut into tokens that
// cover it in order.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "fuzz/verdict.h"
#include "io/json.h"
#include "text/sentencepiece_model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t end = all.find('\0');
  if (end == std::string_view::npos || !circuit::is_valid_utf8(all.substr(0, end))) return circuit::fuzz_verdict(false);
  const std::string_view text = all.substr(0, end);
  bool accepted = false;
  try {
    const circuit::SentencePieceFile file = circuit::read_sentencepiece_file(all.substr(end + 1), "fuzz");
    const auto normalizer = circuit::make_sentencepiece_normalizer(file, "fuzz");
    const auto model = circuit::make_sentencepiece_model(file);
    accepted = true;
    const circuit::AlignedText aligned = normalizer->apply(circuit::AlignedText::identity(text, {0, text.size()}));
    if (!circuit::is_valid_utf8(aligned.text) || aligned.origin.size() != aligned.text.size()) __builtin_trap();
    for (size_t i = 0; i < aligned.origin.size(); ++i) {
      if (aligned.origin[i].begin > aligned.origin[i].end || aligned.origin[i].end > text.size()) __builtin_trap();
      if (i > 0 && aligned.origin[i].begin < aligned.origin[i - 1].begin) __builtin_trap();
    }
    std::vector<circuit::BpeToken> tokens;
    model->encode(aligned.text, tokens);
    size_t covered = 0;
    for (const circuit::BpeToken& token : tokens) {
      if (model->token_of(token.id) == nullptr) __builtin_trap();
      covered += token.size;
    }
    if (covered != aligned.text.size()) __builtin_trap();
  } catch (const circuit::Error&) {
  }
  return circuit::fuzz_verdict(accepted);
}
