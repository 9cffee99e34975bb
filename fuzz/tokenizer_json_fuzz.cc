// Any bytes as a tokenizer.json: refused with an Error, or texts become tokens with ranges that run
// forward inside the text, and back. Bytes after the first NUL are one of the texts.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "fuzz/verdict.h"
#include "io/json.h"
#include "text/tokenizer.h"
#include "text/tokenizer_json.h"

namespace {

void encode_and_decode(const circuit::Tokenizer& tokenizer, std::string_view text) {
  using circuit::SpecialTokens;
  size_t begin = 0;
  size_t end = 0;
  std::vector<int64_t> ids;
  for (const circuit::Token& token : tokenizer.encode_with_offsets(text, SpecialTokens::kAdd)) {
    if (token.begin < begin || token.end < end || token.begin > token.end || token.end > text.size()) {
      __builtin_trap();
    }
    begin = token.begin;
    end = token.end;
    ids.push_back(token.id);
    tokenizer.token_text(token.id);
  }
  const std::string decoded = tokenizer.decode(ids, SpecialTokens::kAdd);
  if (!circuit::is_valid_utf8(decoded)) __builtin_trap();
  tokenizer.decode(ids, SpecialTokens::kNone);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t nul = input.find('\0');
  bool accepted = false;
  try {
    const circuit::Tokenizer tokenizer(circuit::read_tokenizer_json(input.substr(0, nul), "fuzz"));
    accepted = true;
    for (const std::string_view text : {"", "ab a  b", "aéb\u0301 12\n"}) {
      try {
        encode_and_decode(tokenizer, text);
      } catch (const circuit::Error&) {
      }
    }
    if (nul != std::string_view::npos) encode_and_decode(tokenizer, input.substr(nul + 1));
  } catch (const circuit::Error&) {
  }
  return circuit::fuzz_verdict(accepted);
}
