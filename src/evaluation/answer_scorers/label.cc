// One label of a closed set: accuracy and macro F1.
#include <algorithm>
#include <limits>

#include "core/error.h"
#include "core/names.h"
#include "evaluation/answer_scorer.h"
#include "text/unicode.h"

namespace circuit {
namespace {

bool is_word_at(std::string_view text, size_t at) {
  return at < text.size() && is_word_character(code_point_at(text, at).value);
}

bool stands_alone(const std::string& text, size_t begin, size_t end) {
  const bool after_word = begin > 0 && is_word_at(text, previous_code_point(text, begin));
  return !after_word && !is_word_at(text, end);
}

// The label that the text names last, as a word of its own, in whatever case; of two that end there, the longer.
std::string last_label(const std::string& text, const std::vector<std::string>& labels) {
  const std::string lower = lower_case(text);
  std::string last;
  size_t last_end = 0;
  for (const std::string& label : labels) {
    const std::string wanted = lower_case(label);
    for (size_t at = lower.rfind(wanted); at != std::string::npos;
         at = at == 0 ? std::string::npos : lower.rfind(wanted, at - 1)) {
      const size_t end = at + wanted.size();
      if (!stands_alone(lower, at, end)) continue;
      if (end > last_end || (end == last_end && label.size() > last.size())) {
        last = label;
        last_end = end;
      }
      break;
    }
  }
  return last;
}

void check_label(const AnswerRecord& record) {
  if (record.labels.empty()) fail(record.place, "labels: is missing or empty; scorer 'label' needs the closed set.");
  for (const std::string& label : record.labels) {
    if (label.empty()) fail(record.place, "labels: one is empty.");
    const auto same = [&](const std::string& other) { return lower_case(other) == lower_case(label); };
    if (std::count_if(record.labels.begin(), record.labels.end(), same) > 1) {
      fail(record.place, "labels: '{}' stands there twice (case does not tell labels apart).", label);
    }
  }
  if (record.answers.size() != 1) {
    fail(record.place, "answers: found {}, expected one label with scorer 'label'.", record.answers.size());
  }
  const auto& labels = record.labels;
  if (std::find(labels.begin(), labels.end(), record.answers[0]) != labels.end()) return;
  fail(record.place, "answers: '{}' is none of the labels: {}.", record.answers[0],
       joined(labels, [](const std::string& label) { return label; }));
}

Judgement judge_label(const AnswerRecord& record, const std::string& text) {
  Judgement j;
  j.answer = last_label(text, record.labels);
  j.parsed = !j.answer.empty();
  j.marks["accuracy"] = j.answer == record.answers[0] ? 1 : 0;
  return j;
}

// F1 of a label = 2 TP / (2 TP + FP + FN), mean over the labels that occur as answer or as prediction in the sample. A
// text without a label is a miss of its answer's, and no prediction. NaN: no label occurs.
double macro_f1(const std::vector<AnswerRecord>& records, const std::vector<Judgement>& judgements,
                const std::vector<int64_t>& sample) {
  double sum = 0;
  int64_t occurring = 0;
  for (const std::string& label : records[0].labels) {
    int64_t both = 0;
    int64_t either = 0;
    for (const int64_t i : sample) {
      const bool is = records[i].answers[0] == label;
      const bool said = judgements[i].answer == label;
      both += is && said;
      either += static_cast<int64_t>(is) + static_cast<int64_t>(said);
    }
    if (either == 0) continue;
    sum += 2 * static_cast<double>(both) / static_cast<double>(either);
    ++occurring;
  }
  return occurring > 0 ? sum / static_cast<double>(occurring) : std::numeric_limits<double>::quiet_NaN();
}

std::vector<Measure> label_measures(const std::vector<AnswerRecord>& records, const std::vector<Judgement>& judgements,
                                    Rng& rng) {
  const Estimate f1 = estimate(static_cast<int64_t>(records.size()), rng, [&](const std::vector<int64_t>& sample) {
    return macro_f1(records, judgements, sample);
  });
  return {{"macro_f1", f1.value, f1.interval},
          mean_measure("accuracy", marks_of(judgements, "accuracy"), rng),
          unparsed_share(judgements, rng)};
}

}  // namespace

AnswerScorer label_answer_scorer() {
  return {"label",       "the last label that the text names; macro F1 and accuracy", {}, check_label, judge_label,
          label_measures};
}

}  // namespace circuit
