// Any bytes as a file of records: refused with an Error, or every readout and span lies inside its sequence.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.h"
#include "fuzz/scratch.h"
#include "io/files.h"
#include "task/records.h"

namespace {

void check(const circuit::Example& example) {
  const int64_t length = static_cast<int64_t>(example.ids.size());
  for (const circuit::Readout& readout : example.readouts) {
    if (readout.position < 1 || readout.position > length) __builtin_trap();
  }
  for (const circuit::Span& span : example.spans) {
    if (span.begin < 0 || span.end >= length || span.begin > span.end) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const circuit::FuzzFolder folder;
  static const bool once = [] {
    // Behind a NUL the seed has a text, for the other fuzz program.
    const std::string seed = circuit::read_file(CIRCUIT_FUZZ_TOKENIZER);
    folder.write("tokenizer.json", std::string_view(seed).substr(0, seed.find('\0')));
    return true;
  }();
  (void)once;
  const std::string path = folder.write("records.jsonl", std::string_view(reinterpret_cast<const char*>(data), size));
  const circuit::LazyTokenizer tokenizer(folder.path());
  for (const int64_t longest : {0, 3}) {
    try {
      circuit::ReadSpec spec;
      spec.max_length = longest;
      for (const circuit::Example& example : circuit::read_dataset(path, tokenizer, spec).examples) check(example);
    } catch (const circuit::Error&) {
    }
  }
  try {
    circuit::read_minimal_pairs(path, tokenizer, circuit::BeginToken::kAuto);
  } catch (const circuit::Error&) {
  }
  return 0;
}
