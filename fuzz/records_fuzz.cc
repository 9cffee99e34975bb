// Any bytes as a file of records of every kind: refused with an Error, or every readout and span lies inside its
// sequence, every answer among its choices.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.h"
#include "fuzz/scratch.h"
#include "fuzz/verdict.h"
#include "io/files.h"
#include "task/answer_records.h"
#include "task/choice_records.h"
#include "task/minimal_pairs.h"
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

using Read = void (*)(const std::string& path, const circuit::LazyTokenizer& tokenizer);
constexpr circuit::BeginToken kAuto = circuit::BeginToken::kAuto;
constexpr Read kOthers[] = {
    [](const std::string& path, const circuit::LazyTokenizer& tokenizer) {
      circuit::read_minimal_pairs(path, tokenizer, kAuto);
    },
    [](const std::string& path, const circuit::LazyTokenizer& tokenizer) {
      for (const circuit::ChoiceRecord& record : circuit::read_choice_records(path, tokenizer, kAuto)) {
        if (record.answer < 0 || record.answer >= static_cast<int64_t>(record.choices.size())) __builtin_trap();
      }
    },
    [](const std::string& path, const circuit::LazyTokenizer& tokenizer) {
      circuit::read_answer_records(path, tokenizer, kAuto);
    },
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const circuit::FuzzFolder folder;
  static const bool once = [] {
    // Behind a NUL the seed has a text, for the other fuzz program.
    const std::string seed = circuit::read_file(CIRCUIT_FUZZ_TOKENIZER);
    folder.write("tokenizer.json", std::string_view(seed).substr(0, seed.find('\0')));
    folder.write("chat_template.jinja", circuit::read_file(CIRCUIT_FUZZ_CHAT_TEMPLATE));
    return true;
  }();
  (void)once;
  const std::string path = folder.write("records.jsonl", std::string_view(reinterpret_cast<const char*>(data), size));
  const circuit::LazyTokenizer tokenizer(folder.path());
  bool accepted = false;
  for (const int64_t longest : {0, 3}) {
    try {
      circuit::ReadSpec spec;
      spec.max_length = longest;
      for (const circuit::Example& example : circuit::read_dataset(path, tokenizer, spec).examples) check(example);
      accepted = true;
    } catch (const circuit::Error&) {
    }
  }
  for (const auto& read : kOthers) {
    try {
      read(path, tokenizer);
      accepted = true;
    } catch (const circuit::Error&) {
    }
  }
  return circuit::fuzz_verdict(accepted);
}
