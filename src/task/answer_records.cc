#include "task/answer_records.h"

#include "core/error.h"
#include "core/setting_name.h"
#include "io/files.h"
#include "task/message_records.h"
#include "task/record_keys.h"

namespace circuit {
namespace {

// What comes before the completion, or before the assistant's last turn of a conversation, which may be absent.
std::vector<int64_t> prompt_of(const Json& record, const LazyTokenizer& tokenizer, BeginToken begin_token,
                               const std::string& place) {
  if (record.contains("messages")) {
    allow_keys(record, {"messages", "scorer", "answers", "labels", "instructions"}, place);
    const std::vector<ChatMessage> messages = read_messages(record["messages"], place);
    if (!messages.empty() && messages.back().role == Role::kUser) {
      return encode_chat_prompt(tokenizer.get(), tokenizer.chat(), messages, {}, place).ids;
    }
    EncodedChat chat = encode_messages(record, tokenizer, place);
    chat.ids.resize(static_cast<size_t>(chat.first_target));
    return chat.ids;
  }
  allow_keys(record, {"prompt", "completion", "scorer", "answers", "labels", "instructions"}, place);
  optional_string(record, "completion", "", place);
  const std::string text = require_string(record, "prompt", place);
  std::vector<int64_t> ids = encode_text(tokenizer.get(), text, begin_token).ids;
  if (ids.empty()) {
    fail(place, "prompt: is empty and there is no begin token. Give some text, or {} always.", setting("bos"));
  }
  return ids;
}

AnswerRecord read_record(const Json& record, const LazyTokenizer& tokenizer, BeginToken begin_token,
                         const std::string& place) {
  AnswerRecord read;
  read.place = place;
  read.prompt = prompt_of(record, tokenizer, begin_token, place);
  read.scorer = require_string(record, "scorer", place);
  if (record.contains("instructions")) read.instructions = require_instructions(record, place);
  if (record.contains("answers") || read.instructions.empty()) read.answers = require_strings(record, "answers", place);
  if (record.contains("labels")) read.labels = require_strings(record, "labels", place);
  return read;
}

}  // namespace

std::vector<AnswerRecord> read_answer_records(const std::string& path, const LazyTokenizer& tokenizer,
                                              BeginToken begin_token) {
  const MappedFile file(path);
  std::vector<AnswerRecord> records;
  each_json_line(file.text(), path, [&](const Json& json, const std::string& place) {
    records.push_back(read_record(json, tokenizer, begin_token, place));
    const AnswerRecord& first = records.front();
    const AnswerRecord& last = records.back();
    if (last.scorer != first.scorer) {
      fail(place, "scorer: found '{}', but {} has '{}'. Put them in files of their own.", last.scorer, first.place,
           first.scorer);
    }
    if (last.labels != first.labels)
      fail(place, "labels: are not those of {}. They are one set for a file.", first.place);
  });
  if (records.empty()) fail(path, "there are no records in it.");
  return records;
}

}  // namespace circuit
