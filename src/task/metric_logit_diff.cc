// logit_diff: mean logit of `correct` − mean logit of `wrong`. Without a soft cap linear in the final norm's output
// y, so the logits are never made: M_r = ⟨y_r, D_r⟩ with D_r the mean unembedding row of correct − that of wrong.
#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include "core/error.h"
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

MetricValues compute(const Model& model, const ExampleBatch& batch, const at::Tensor& x_final,
                     MetricGradient gradient) {
  const std::vector<double> weights = readout_weights(batch, "logit_diff");
  const HeadInput head = head_input(model, x_final, batch.readout_rows);
  const TokenLogits found = differences(model, batch, head.y);
  const std::vector<double> values = to_doubles(found.values);
  MetricValues result;
  result.values.resize(batch.examples);
  for (int64_t r = 0; r < batch.n_readouts(); ++r) {
    result.values[batch.readout_example[r]] += weights[r] * values[r];
  }
  if (gradient == MetricGradient::kNone) return result;
  const at::Tensor w = at::tensor(weights, at::kDouble).to(model.device(), model.dtype()).unsqueeze(1);
  result.d_final = head_backward(model, head, found.d_y * w, batch.tokens.tokens(), rule_of(gradient));
  return result;
}

}  // namespace

Metric logit_diff_metric() { return {"logit_diff", "mean logit of correct minus mean logit of wrong", compute}; }

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
          at::tensor(signs, at::kDouble).to(device, model.dtype())};
}

std::vector<double> logit_differences(const Model& model, const ExampleBatch& batch, const at::Tensor& x_final) {
  const HeadInput head = head_input(model, x_final, batch.readout_rows);
  return to_doubles(differences(model, batch, head.y).values);
}

}  // namespace circuit
