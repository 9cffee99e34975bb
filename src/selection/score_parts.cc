#include "selection/score_parts.h"

#include <algorithm>

#include "core/error.h"

namespace circuit {

ScoredParts score_in_parts(const Scorer& scorer, const Model& model, const Graph& graph,
                           const std::vector<const Example*>& examples, const ScoreSpec& spec,
                           const ProgressCallback& progress) {
  if (examples.empty()) fail("scoring", "there are no examples to score on.");
  ScoreSpec of_part = spec;
  of_part.ablated = ablated_outputs(model, graph, examples, spec);
  const auto total = static_cast<int64_t>(examples.size());
  ScoredParts scored;
  for (const int64_t size : part_sizes(total)) {
    const auto first = examples.begin() + scored.whole.examples;
    const ScoreResult part = scorer.score(model, graph, {first, first + size}, of_part, [&](int64_t done, int64_t) {
      if (progress) progress(scored.whole.examples + done, total);
    });
    scored.whole.metric += part.metric * static_cast<double>(size) / static_cast<double>(total);
    scored.whole.examples += size;
    if (part.metric_shift) {
      scored.whole.metric_shift = scored.whole.metric_shift.value_or(0) +
                                  *part.metric_shift * static_cast<double>(size) / static_cast<double>(total);
    }
    scored.whole.sum_rule_error = std::max(scored.whole.sum_rule_error, part.sum_rule_error);
    scored.parts.parts.push_back(part.scores);
    scored.parts.examples.push_back(size);
  }
  scored.whole.scores = whole_scores(scored.parts);
  return scored;
}

}  // namespace circuit
