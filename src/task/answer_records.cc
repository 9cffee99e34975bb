#include "task/answer_records.h"

#include "core/error.h"
#include "io/files.h"
#include "task/record_keys.h"

namespace circuit {
namespace {

AnswerRecord read_record(const Json& record, const Tokenizer& tokenizer, BeginToken begin_token,
                         const std::string& place) {
  allow_keys(record, {"prompt", "completion", "scorer", "answers", "labels"}, place);
  AnswerRecord read;
  read.place = place;
  read.prompt = encode_text(tokenizer, require_string(record, "prompt", place), begin_token);
  if (read.prompt.empty()) fail(place, "prompt: is empty and there is no begin token. Give some text, or --bos always.");
  optional_string(record, "completion", "", place);
  read.scorer = require_string(record, "scorer", place);
  read.answers = require_strings(record, "answers", place);
  if (record.contains("labels")) read.labels = require_strings(record, "labels", place);
  return read;
}

}  // namespace

std::vector<AnswerRecord> read_answer_records(const std::string& path, const LazyTokenizer& tokenizer,
                                              BeginToken begin_token) {
  const MappedFile file(path);
  std::vector<AnswerRecord> records;
  each_json_line(file.text(), path, [&](const Json& json, const std::string& place) {
    records.push_back(read_record(json, tokenizer.get(), begin_token, place));
    const AnswerRecord& first = records.front();
    const AnswerRecord& last = records.back();
    if (last.scorer != first.scorer) {
      fail(place, "scorer: found '{}', but {} has '{}'. Put them in files of their own.", last.scorer, first.place,
           first.scorer);
    }
    if (last.labels != first.labels) fail(place, "labels: are not those of {}. They are one set for a file.", first.place);
  });
  if (records.empty()) fail(path, "there are no records in it.");
  return records;
}

}  // namespace circuit
