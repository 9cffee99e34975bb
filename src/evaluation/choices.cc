#include <algorithm>
#include <numeric>

#include "evaluation/evaluation.h"
#include "evaluation/sequence_nll.h"
#include "ranks/shares.h"

namespace circuit {
namespace {

int64_t largest(const std::vector<double>& values) {
  return std::max_element(values.begin(), values.end()) - values.begin();
}

// Sums over the choices' tokens; `batch` sequences a forward, whatever record they belong to.
std::vector<double> log_probs_of(const Model& model, const std::vector<ChoiceRecord>& records, int64_t batch,
                                 const EvaluationProgress& progress) {
  std::vector<ScoredSequence> sequences;
  std::vector<int64_t> record_of;
  for (size_t r = 0; r < records.size(); ++r) {
    for (const ChoiceRecord::Choice& choice : records[r].choices) {
      sequences.push_back({choice.ids, choice.first_target});
      record_of.push_back(static_cast<int64_t>(r));
    }
  }
  const auto total = static_cast<int64_t>(sequences.size());
  const Share share = share_of(parts_of(total, batch), world());
  std::vector<double> own;
  for (int64_t part = share.first; part < share.last; ++part) {
    const int64_t last = std::min(total, part * batch + batch);
    for (const double nll : sequence_nll(model, {sequences.begin() + part * batch, sequences.begin() + last}))
      own.push_back(-nll);
    if (progress) progress(record_of[last - 1] + 1, static_cast<int64_t>(records.size()));
  }
  return joined(world(), "evaluation of choices", own);
}

}  // namespace

ChoicesResult evaluate_choices(const Model& model, const std::vector<ChoiceRecord>& records, int64_t batch,
                               const EvaluationProgress& progress) {
  const std::vector<double> log_probs = log_probs_of(model, records, batch, progress);
  ChoicesResult result;
  std::map<std::string, std::vector<double>> right_by;
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
    if (!record.group.empty()) right_by[record.group].push_back(result.right.back());
  }
  for (const auto& [group, right] : right_by) {
    result.accuracy_by[group] = std::accumulate(right.begin(), right.end(), 0.0) / static_cast<double>(right.size());
  }
  return result;
}

}  // namespace circuit
