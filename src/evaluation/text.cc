#include <algorithm>

#include "core/error.h"
#include "core/setting_name.h"
#include "evaluation/evaluation.h"
#include "evaluation/sequence_nll.h"
#include "ranks/shares.h"

namespace circuit {

std::vector<ScoredSequence> text_windows(const Architecture& architecture, const EncodedText& text, int64_t window) {
  const std::vector<int64_t>& ids = text.ids;
  const auto n = static_cast<int64_t>(ids.size());
  if (n <= text.first_target()) fail("score", "the text has {} tokens; none of them is predicted.", n);
  const int64_t limit = architecture.n_positions;
  if (window < 2 || window > limit)
    fail(setting("window"), "found {}, expected 2 to {} (the model's positions).", window, limit);
  if (window <= text.begin_tokens) {
    fail(setting("window"), "found {}, expected more than the {} begin tokens.", window, text.begin_tokens);
  }
  std::vector<ScoredSequence> windows;
  for (int64_t first = 0; first + 1 < n; first += window - 1) {
    const int64_t last = std::min(n, first + window);
    windows.push_back({{ids.begin() + first, ids.begin() + last}, first == 0 ? text.first_target() : 1});
  }
  return windows;
}

TextResult evaluate_text(const Model& model, const EncodedText& text, int64_t window, int64_t batch,
                         const EvaluationProgress& progress) {
  TextResult result;
  result.bytes = text.bytes;
  const auto n = static_cast<int64_t>(text.ids.size());
  const std::vector<ScoredSequence> windows = text_windows(model.architecture(), text, window);
  for (const ScoredSequence& w : windows) result.tokens += static_cast<int64_t>(w.ids.size()) - w.first_target;
  const auto total = static_cast<int64_t>(windows.size());
  const Share share = share_of(parts_of(total, batch), world());
  std::vector<double> own;
  for (int64_t part = share.first; part < share.last; ++part) {
    const int64_t last = std::min(total, part * batch + batch);
    for (const double nll : sequence_nll(model, {windows.begin() + part * batch, windows.begin() + last}))
      own.push_back(nll);
    if (progress) progress(std::min(n, last * (window - 1) + 1), n);
  }
  for (const double nll : joined(world(), "evaluation of text", own)) result.nll += nll;
  result.nll_byte = result.nll / static_cast<double>(std::max<int64_t>(1, text.bytes));
  result.nll /= static_cast<double>(result.tokens);
  return result;
}

}  // namespace circuit
