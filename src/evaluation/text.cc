#include <ATen/ops/tensor.h>

#include <algorithm>

#include "core/error.h"
#include "evaluation/evaluation.h"
#include "model/forward.h"
#include "model/head.h"

namespace circuit {
namespace {

// Targets: every token after the first of each sequence. Sum of nll per sequence, nats.
std::vector<double> sequence_nll(const Model& model, const std::vector<std::vector<int64_t>>& sequences) {
  const TokenBatch batch = make_token_batch(sequences, model.architecture(), model.device(), "score");
  std::vector<int64_t> rows;
  std::vector<int64_t> ids;
  std::vector<size_t> owner;
  for (size_t s = 0; s < sequences.size(); ++s) {
    for (int64_t t = 1; t < batch.lengths[s]; ++t) {
      rows.push_back(batch.starts[s] + t - 1);
      ids.push_back(sequences[s][t]);
      owner.push_back(s);
    }
  }
  std::vector<double> sums(sequences.size());
  if (rows.empty()) return sums;
  Targets targets;
  targets.rows = at::tensor(rows, at::kLong).to(model.device());
  targets.ids = at::tensor(ids, at::kLong).to(model.device());
  const ForwardCache run = forward(model, batch, Keep::kNothing);
  const at::Tensor nll = nll_loss(model, run.x_final, targets, LossGradient::kNone).nll.to(at::kCPU);
  for (size_t i = 0; i < owner.size(); ++i) sums[owner[i]] += nll.data_ptr<double>()[i];
  return sums;
}

}  // namespace

TextResult evaluate_text(const Model& model, const std::vector<int64_t>& ids, int64_t bytes, int64_t window,
                         int64_t batch, const EvaluationProgress& progress) {
  const auto n = static_cast<int64_t>(ids.size());
  if (n < 2) fail("score", "the text has {} tokens; at least 2 are needed.", n);
  const int64_t limit = model.architecture().n_positions;
  if (window < 2 || window > limit) fail("--window", "found {}, expected 2 to {} (the model's positions).", window, limit);
  TextResult result;
  result.bytes = bytes;
  std::vector<std::vector<int64_t>> windows;
  const auto flush = [&] {
    for (const double nll : sequence_nll(model, windows)) result.nll += nll;
    windows.clear();
  };
  for (int64_t first = 0; first + 1 < n; first += window - 1) {
    const int64_t last = std::min(n, first + window);
    windows.emplace_back(ids.begin() + first, ids.begin() + last);
    result.tokens += last - first - 1;
    if (static_cast<int64_t>(windows.size()) == batch) flush();
    if (progress) progress(last, n);
  }
  if (!windows.empty()) flush();
  result.nll_byte = result.nll / static_cast<double>(std::max<int64_t>(1, bytes));
  result.nll /= static_cast<double>(result.tokens);
  return result;
}

PairsResult evaluate_pairs(const Model& model, const std::vector<MinimalPair>& pairs, int64_t batch,
                           const EvaluationProgress& progress) {
  PairsResult result;
  std::map<std::string, int64_t> right;
  std::map<std::string, int64_t> count;
  int64_t right_all = 0;
  const auto total = static_cast<int64_t>(pairs.size());
  for (int64_t first = 0; first < total; first += batch) {
    const int64_t last = std::min(total, first + batch);
    std::vector<std::vector<int64_t>> sequences;
    for (int64_t i = first; i < last; ++i) {
      sequences.push_back(pairs[i].good);
      sequences.push_back(pairs[i].bad);
    }
    const std::vector<double> nll = sequence_nll(model, sequences);
    for (int64_t i = first; i < last; ++i) {
      const bool good = nll[2 * (i - first)] < nll[2 * (i - first) + 1];
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
