#include "task/choice_records.h"

#include "core/error.h"
#include "core/setting_name.h"
#include "io/files.h"
#include "task/record_keys.h"
#include "text/unicode.h"

namespace circuit {
namespace {

ChoiceRecord::Choice encode_choice(const Tokenizer& tokenizer, const std::string& prompt, const std::string& text,
                                   BeginToken begin_token, const std::string& place) {
  ChoiceRecord::Choice choice;
  choice.bytes = static_cast<int64_t>(text.size() - leading_white_space(text));
  if (choice.bytes == 0) fail(place, "choices: one is empty.");
  const std::vector<Token> tokens = tokenizer.encode_with_offsets(prompt + text, SpecialTokens::kNone);
  choice.ids = begin_tokens(tokenizer, begin_token);
  int64_t first = static_cast<int64_t>(choice.ids.size());
  for (const Token& t : tokens) {
    choice.ids.push_back(t.id);
    if (t.end <= prompt.size()) ++first;
  }
  if (first == static_cast<int64_t>(choice.ids.size())) {
    fail(place, "choices: no token of the text reaches into '{}': the tokenizer drops it.", text);
  }
  choice.first_target = first;
  if (first < 1)
    fail(place, "prompt: no token comes before a choice, so nothing predicts it. Give a prompt, or {} always.",
         setting("bos"));
  return choice;
}

ChoiceRecord read_record(const Json& record, const Tokenizer& tokenizer, BeginToken begin_token,
                         const std::string& place) {
  allow_keys(record, {"prompt", "choices", "answer", "group"}, place);
  ChoiceRecord read;
  read.place = place;
  const std::string prompt = require_string(record, "prompt", place);
  for (const std::string& text : require_strings(record, "choices", place)) {
    read.choices.push_back(encode_choice(tokenizer, prompt, text, begin_token, place));
  }
  const auto count = static_cast<int64_t>(read.choices.size());
  if (count < 2) fail(place, "choices: found {}, expected 2 or more.", count);
  read.answer = require_int(record, "answer", place);
  if (read.answer < 0 || read.answer >= count) {
    fail(place, "answer: found {}, expected the index of a choice, 0 to {}.", read.answer, count - 1);
  }
  read.group = optional_string(record, "group", "", place);
  return read;
}

}  // namespace

std::vector<ChoiceRecord> read_choice_records(const std::string& path, const LazyTokenizer& tokenizer,
                                              BeginToken begin_token) {
  const MappedFile file(path);
  std::vector<ChoiceRecord> records;
  each_json_line(file.text(), path, [&](const Json& record, const std::string& place) {
    records.push_back(read_record(record, tokenizer.get(), begin_token, place));
  });
  if (records.empty()) fail(path, "there are no records in it.");
  return records;
}

}  // namespace circuit
