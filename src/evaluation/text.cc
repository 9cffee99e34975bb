#include <algorithm>

#include "core/error.h"
#include "evaluation/evaluation.h"
#include "evaluation/sequence_nll.h"

namespace circuit {

TextResult evaluate_text(const Model& model, const std::vector<int64_t>& ids, int64_t bytes, int64_t window,
                         int64_t batch, const EvaluationProgress& progress) {
  const auto n = static_cast<int64_t>(ids.size());
  if (n < 2) fail("score", "the text has {} tokens; at least 2 are needed.", n);
  const int64_t limit = model.architecture().n_positions;
  if (window < 2 || window > limit)
    fail("--window", "found {}, expected 2 to {} (the model's positions).", window, limit);
  TextResult result;
  result.bytes = bytes;
  std::vector<ScoredSequence> windows;
  const auto flush = [&] {
    for (const double nll : sequence_nll(model, windows)) result.nll += nll;
    windows.clear();
  };
  for (int64_t first = 0; first + 1 < n; first += window - 1) {
    const int64_t last = std::min(n, first + window);
    windows.push_back({{ids.begin() + first, ids.begin() + last}, 1});
    result.tokens += last - first - 1;
    if (static_cast<int64_t>(windows.size()) == batch) flush();
    if (progress) progress(last, n);
  }
  if (!windows.empty()) flush();
  result.nll_byte = result.nll / static_cast<double>(std::max<int64_t>(1, bytes));
  result.nll /= static_cast<double>(result.tokens);
  return result;
}

}  // namespace circuit
