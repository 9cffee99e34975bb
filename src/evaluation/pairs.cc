#include <algorithm>

#include "evaluation/evaluation.h"
#include "evaluation/sequence_nll.h"

namespace circuit {

PairsResult evaluate_pairs(const Model& model, const std::vector<MinimalPair>& pairs, int64_t batch,
                           const EvaluationProgress& progress) {
  PairsResult result;
  std::map<std::string, int64_t> right;
  std::map<std::string, int64_t> count;
  int64_t right_all = 0;
  const auto total = static_cast<int64_t>(pairs.size());
  for (int64_t first = 0; first < total; first += batch) {
    const int64_t last = std::min(total, first + batch);
    std::vector<ScoredSequence> sequences;
    for (int64_t i = first; i < last; ++i) {
      sequences.push_back({pairs[i].good, pairs[i].first_target});
      sequences.push_back({pairs[i].bad, pairs[i].first_target});
    }
    const std::vector<double> nll = sequence_nll(model, sequences);
    for (int64_t i = first; i < last; ++i) {
      result.log_probs.push_back({finite_log_prob(nll[2 * (i - first)], pairs[i].place),
                                  finite_log_prob(nll[2 * (i - first) + 1], pairs[i].place)});
      const bool good = result.log_probs.back().good > result.log_probs.back().bad;
      result.right.push_back(good ? 1 : 0);
      right_all += good;
      if (pairs[i].group.empty()) continue;
      right[pairs[i].group] += good;
      ++count[pairs[i].group];
    }
    if (progress) progress(last, total);
  }
  result.pairs = total;
  result.accuracy = static_cast<double>(right_all) / static_cast<double>(total);
  for (const auto& [group, n] : count) {
    result.accuracy_by[group] = static_cast<double>(right[group]) / static_cast<double>(n);
  }
  return result;
}

}  // namespace circuit
