// logit_diff: mean logit of `correct` − mean logit of `wrong`. Without a soft cap linear in the final norm's output
// y, so the logits are never made: M_r = ⟨y_r, D_r⟩ with D_r the mean unembedding row of correct − that of wrong.
#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "model/wide.h"
#include "task/metric.h"

namespace circuit {
namespace {

// The difference of every readout, and its gradient at y [readouts, d_model].
TokenLogits differences(const Model& model, const ExampleBatch& batch, const at::Tensor& y) {
  const AnswerWeights answers = answer_weights(model, batch, "metric logit_diff");
  return token_logits(model, y, answers.owners, answers.ids, answers.weights);
}

std::vector<double> to_doubles(const at::Tensor& tensor) {
  const at::Tensor t = tensor.to(at::kCPU, at::kDouble).contiguous();
  return {t.data_ptr<double>(), t.data_ptr<double>() + t.numel()};
}

MetricValues compute_logit_diff(const Model& model, const ExampleBatch& batch, const at::Tensor& x_final,
                                MetricGradient gradient) {
  const std::vector<double> weights = readout_weights(batch, "logit_diff");
  const HeadInput head = readout_input(model, x_final, batch.readout_rows);
  const TokenLogits found = differences(model, batch, head.y);
  const std::vector<double> values = to_doubles(found.values);
  MetricValues result;
  result.values.resize(batch.examples);
  for (int64_t r = 0; r < batch.n_readouts(); ++r) {
    result.values[batch.readout_example[r]] += weights[r] * values[r];
  }
  if (gradient == MetricGradient::kNone) return result;
  const at::Tensor w = at::tensor(weights, at::kDouble).to(found.d_y.options()).unsqueeze(1);
  result.d_final = head_backward(model, head, found.d_y * w, batch.tokens.tokens(), rule_of(gradient));
  return result;
}

}  // namespace

Metric logit_diff_metric() {
  return {"logit_diff", "mean logit of correct minus mean logit of wrong", compute_logit_diff};
}

AnswerWeights answer_weights(const Model& model, const ExampleBatch& batch, const std::string& who) {
  std::vector<int64_t> ids;
  std::vector<int64_t> owners;
  std::vector<double> signs;
  for (int64_t r = 0; r < batch.n_readouts(); ++r) {
    const Readout& readout = batch.readouts[r];
    if (readout.correct.empty() || readout.wrong.empty()) {
      fail(batch.places[batch.readout_example[r]],
           "the readout at position {} lacks 'correct' or 'wrong', which "
           "{} needs.",
           readout.position, who);
    }
    const auto add = [&](const std::vector<int64_t>& tokens, double sign) {
      for (const int64_t id : tokens) {
        ids.push_back(id);
        owners.push_back(r);
        signs.push_back(sign / static_cast<double>(tokens.size()));
      }
    };
    add(readout.correct, 1);
    add(readout.wrong, -1);
  }
  const auto device = model.device();
  return {at::tensor(owners, at::kLong).to(device), at::tensor(ids, at::kLong).to(device),
          at::tensor(signs, at::kDouble).to(device, wide(model.dtype()))};
}

std::vector<double> logit_differences(const Model& model, const ExampleBatch& batch, const at::Tensor& x_final) {
  std::vector<double> all(batch.n_readouts(), std::numeric_limits<double>::quiet_NaN());
  ExampleBatch compared;
  compared.places = batch.places;
  std::vector<int64_t> which;
  for (int64_t r = 0; r < batch.n_readouts(); ++r) {
    if (batch.readouts[r].correct.empty() || batch.readouts[r].wrong.empty()) continue;
    which.push_back(r);
    compared.readouts.push_back(batch.readouts[r]);
    compared.readout_example.push_back(batch.readout_example[r]);
  }
  if (which.empty()) return all;
  const at::Tensor rows = batch.readout_rows.index_select(0, at::tensor(which, at::kLong).to(model.device()));
  const std::vector<double> found =
      to_doubles(differences(model, compared, readout_input(model, x_final, rows).y).values);
  for (size_t i = 0; i < which.size(); ++i) {
    if (!std::isfinite(found[i])) {
      fail(batch.places[compared.readout_example[i]],
           "the logit difference at position {} is {}: the model's logits are not finite. Check its weights; in "
           "tuning, lower optimizer.lr or set optimizer.clip.",
           compared.readouts[i].position, found[i]);
    }
    all[which[i]] = found[i];
  }
  return all;
}

}  // namespace circuit
