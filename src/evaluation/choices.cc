#include <algorithm>

#include "evaluation/evaluation.h"
#include "evaluation/sequence_nll.h"

namespace circuit {
namespace {

int64_t largest(const std::vector<double>& values) {
  return std::max_element(values.begin(), values.end()) - values.begin();
}

// Sums over the choices' tokens; `batch` sequences a forward, whatever record they belong to.
std::vector<double> log_probs_of(const Model& model, const std::vector<ChoiceRecord>& records, int64_t batch,
                                 const EvaluationProgress& progress) {
  std::vector<ScoredSequence> sequences;
  std::vector<double> log_probs;
  int64_t done = 0;
  const auto flush = [&] {
    if (sequences.empty()) return;
    for (const double nll : sequence_nll(model, sequences)) log_probs.push_back(-nll);
    sequences.clear();
    if (progress) progress(done, static_cast<int64_t>(records.size()));
  };
  for (const ChoiceRecord& record : records) {
    for (const ChoiceRecord::Choice& choice : record.choices) {
      sequences.push_back({choice.ids, choice.first_target});
      if (static_cast<int64_t>(sequences.size()) == batch) flush();
    }
    ++done;
  }
  flush();
  return log_probs;
}

}  // namespace

ChoicesResult evaluate_choices(const Model& model, const std::vector<ChoiceRecord>& records, int64_t batch,
                               const EvaluationProgress& progress) {
  const std::vector<double> log_probs = log_probs_of(model, records, batch, progress);
  ChoicesResult result;
  auto next = log_probs.begin();
  for (const ChoiceRecord& record : records) {
    ChoicesResult::Answer answer;
    std::vector<double> per_byte;
    for (const ChoiceRecord::Choice& choice : record.choices) {
      answer.log_probs.push_back(finite_log_prob(-*next++, record.place));
      per_byte.push_back(answer.log_probs.back() / static_cast<double>(choice.bytes));
    }
    // Of equals the first, as numpy's argmax.
    answer.by_sum = largest(answer.log_probs);
    answer.by_byte = largest(per_byte);
    result.right.push_back(answer.by_sum == record.answer ? 1 : 0);
    result.right_per_byte.push_back(answer.by_byte == record.answer ? 1 : 0);
    result.answers.push_back(std::move(answer));
  }
  return result;
}

}  // namespace circuit
