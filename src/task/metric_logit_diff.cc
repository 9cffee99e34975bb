// logit_diff: mean logit of `correct` − mean logit of `wrong`. Linear in the final norm's output y, so the
// logits are never made: M_r = ⟨y_r, D_r⟩ with D_r the mean unembedding row of correct − that of wrong.
#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "core/error.h"
#include "task/metric.h"

namespace circuit {
namespace {

// [readouts, d_model]
at::Tensor directions(const Model& model, const ExampleBatch& batch) {
  std::vector<int64_t> ids;
  std::vector<int64_t> owners;
  std::vector<double> signs;
  for (int64_t r = 0; r < batch.n_readouts(); ++r) {
    const Readout& readout = batch.readouts[r];
    if (readout.correct.empty() || readout.wrong.empty()) {
      fail(batch.places[batch.readout_example[r]], "the readout at position {} lacks 'correct' or 'wrong', which "
           "metric logit_diff needs.", readout.position);
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
  const at::Tensor rows = model.unembedding().index_select(0, at::tensor(ids, at::kLong).to(device));
  const at::Tensor weights = at::tensor(signs, at::kDouble).to(device, model.dtype()).unsqueeze(1);
  return at::zeros({batch.n_readouts(), rows.size(1)}, rows.options())
      .index_add_(0, at::tensor(owners, at::kLong).to(device), rows * weights);
}

std::vector<double> to_doubles(const at::Tensor& tensor) {
  const at::Tensor t = tensor.to(at::kCPU, at::kDouble).contiguous();
  return {t.data_ptr<double>(), t.data_ptr<double>() + t.numel()};
}

MetricValues compute(const Model& model, const ExampleBatch& batch, const at::Tensor& x_final,
                     MetricGradient gradient) {
  const std::vector<double> weights = readout_weights(batch, "logit_diff");
  const HeadInput head = head_input(model, x_final, batch.readout_rows);
  const at::Tensor d = directions(model, batch);
  const std::vector<double> differences = to_doubles((head.y * d).sum(1));
  MetricValues result;
  result.values.resize(batch.examples);
  for (int64_t r = 0; r < batch.n_readouts(); ++r) {
    result.values[batch.readout_example[r]] += weights[r] * differences[r];
  }
  if (gradient == MetricGradient::kNone) return result;
  const at::Tensor w = at::tensor(weights, at::kDouble).to(model.device(), model.dtype()).unsqueeze(1);
  result.d_final = head_backward(model, head, d * w, batch.tokens.tokens(), rule_of(gradient));
  return result;
}

}  // namespace

Metric logit_diff_metric() { return {"logit_diff", "mean logit of correct minus mean logit of wrong", compute}; }

std::vector<double> logit_differences(const Model& model, const ExampleBatch& batch, const at::Tensor& x_final) {
  const HeadInput head = head_input(model, x_final, batch.readout_rows);
  return to_doubles((head.y * directions(model, batch)).sum(1));
}

}  // namespace circuit
