#include "evaluation/sequence_nll.h"

#include <ATen/ops/tensor.h>

#include <cmath>

#include "core/error.h"
#include "model/forward.h"
#include "model/head.h"

namespace circuit {

std::vector<double> sequence_nll(const Model& model, const std::vector<ScoredSequence>& sequences) {
  std::vector<std::vector<int64_t>> tokens;
  for (const ScoredSequence& s : sequences) tokens.push_back(s.ids);
  const TokenBatch batch = make_token_batch(tokens, model.architecture(), model.device(), "score");
  std::vector<int64_t> rows;
  std::vector<int64_t> ids;
  std::vector<size_t> owner;
  for (size_t s = 0; s < sequences.size(); ++s) {
    for (int64_t t = sequences[s].first_target; t < batch.lengths[s]; ++t) {
      rows.push_back(batch.starts[s] + t - 1);
      ids.push_back(sequences[s].ids[t]);
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

double finite_log_prob(double nll, const std::string& place) {
  if (!std::isfinite(nll)) {
    fail(place,
         "the log-probability is {}: the model's logits are not finite. Check its weights; in tuning, lower "
         "optimizer.lr or set optimizer.clip.",
         -nll);
  }
  return -nll;
}

}  // namespace circuit
