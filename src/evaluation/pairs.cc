#include <algorithm>

#include "evaluation/evaluation.h"
#include "evaluation/sequence_nll.h"
#include "ranks/shares.h"

namespace circuit {

PairsResult evaluate_pairs(const Model& model, const std::vector<MinimalPair>& pairs, int64_t batch,
                           const EvaluationProgress& progress) {
  PairsResult result;
  std::map<std::string, int64_t> right;
  std::map<std::string, int64_t> count;
  int64_t right_all = 0;
  const auto total = static_cast<int64_t>(pairs.size());
  const Share share = share_of(parts_of(total, batch), world());
  std::vector<double> own;
  for (int64_t part = share.first; part < share.last; ++part) {
    const int64_t first = part * batch;
    const int64_t last = std::min(total, first + batch);
    std::vector<ScoredSequence> sequences;
    for (int64_t i = first; i < last; ++i) {
      sequences.push_back({pairs[i].good, pairs[i].first_target});
      sequences.push_back({pairs[i].bad, pairs[i].first_target});
    }
    for (const double nll : sequence_nll(model, sequences)) own.push_back(nll);
    if (progress) progress(last, total);
  }
  const std::vector<double> nll = joined(world(), "evaluation of pairs", own);
  for (int64_t i = 0; i < total; ++i) {
    result.log_probs.push_back(
        {finite_log_prob(nll[2 * i], pairs[i].place), finite_log_prob(nll[2 * i + 1], pairs[i].place)});
    const bool good = result.log_probs.back().good > result.log_probs.back().bad;
    result.right.push_back(good ? 1 : 0);
    right_all += good;
    if (pairs[i].group.empty()) continue;
    right[pairs[i].group] += good;
    ++count[pairs[i].group];
  }
  result.pairs = total;
  result.accuracy = static_cast<double>(right_all) / static_cast<double>(total);
  for (const auto& [group, n] : count) {
    result.accuracy_by[group] = static_cast<double>(right[group]) / static_cast<double>(n);
  }
  return result;
}

}  // namespace circuit
