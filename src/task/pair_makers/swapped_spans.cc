// Two parts of a text change places. What is asked stands in the record: {"text", "a", "b", "answer", "wrong"}, or
// "spans" with two names of its own, or "readouts" as a contrast record has them.
#include "core/error.h"
#include "task/pair_makers/pair_maker.h"

namespace circuit {
namespace {

// The two spans of a record, by name.
std::vector<std::pair<std::string, std::string>> named_spans(const PairSource& source) {
  const Json& record = source.record;
  if (!record.contains("spans")) {
    return {{"a", require_string(record, "a", source.place)}, {"b", require_string(record, "b", source.place)}};
  }
  if (record.contains("a") || record.contains("b")) fail(source.place, "both 'spans' and 'a', 'b': give one.");
  const Json& spans = record["spans"];
  if (!spans.is_object() || spans.size() != 2) {
    fail(source.place, "spans: expected an object of two strings, the parts that change places.");
  }
  std::vector<std::pair<std::string, std::string>> named;
  for (const auto& item : spans.items()) {
    named.emplace_back(item.key(), require_string(spans, item.key(), source.place));
  }
  return named;
}

void read_question(const PairSource& source, PairDraft* draft) {
  const Json& record = source.record;
  const bool has_answers = record.contains("answer") || record.contains("wrong");
  if (has_answers == record.contains("readouts")) {
    fail(source.place, "expected 'answer' and 'wrong', which follow the text, or 'readouts'.");
  }
  if (!has_answers) {
    draft->readouts = record["readouts"];
    return;
  }
  draft->answer = require_string(record, "answer", source.place);
  draft->wrong = require_string(record, "wrong", source.place);
  if (draft->answer.empty() || draft->wrong.empty()) fail(source.place, "answer, wrong: are empty.");
}

void swap_spans(const PairSource& source, PairWriter* writer) {
  PairDraft draft;
  draft.text = source.text;
  draft.spans.clear();
  std::vector<std::pair<std::string, std::string>> named = named_spans(source);
  read_question(source, &draft);
  for (const auto& [name, part] : named) {
    if (part.empty()) fail(source.place, "{}: is empty.", name);
    const size_t at = source.text.find(part);
    if (at == std::string::npos) return writer->refuse("a span does not stand in the text");
    if (source.text.find(part, at + 1) != std::string::npos) return writer->refuse("a span stands in the text twice");
    draft.spans.push_back({name, {at, at + part.size()}});
  }
  Range first = draft.spans[0].second;
  Range second = draft.spans[1].second;
  if (second.begin < first.begin) std::swap(first, second);
  if (second.begin < first.end) return writer->refuse("the spans overlap");
  draft.changed = {first, second};
  const auto part = [&](const Range& r) { return source.text.substr(r.begin, r.size()); };
  draft.counterfactual = replaced(source.text, {{first, part(second)}, {second, part(first)}});
  writer->write_or_refuse(draft, source.place);
}

}  // namespace

PairMaker swapped_span_pairs() {
  return {
      "swapped-spans",
      "records {\"text\", \"a\", \"b\", \"answer\", \"wrong\"}; \"spans\" for a and b, \"readouts\" for the answers",
      "two parts of the text change places; what is read stands in the record",
      {"a", "b", "spans", "answer", "wrong", "readouts"},
      {},
      [](const PairOptions&) -> MakePairs { return swap_spans; }};
}

}  // namespace circuit
