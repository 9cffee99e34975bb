// log_prob: log-probability of the answer. M_i = Σ over answer tokens of log p, where a readout's token may be any
// of its `correct`: log Σ_{v ∈ correct} p_v.
#include <ATen/TensorOperators.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/zeros_like.h>

#include <limits>

#include "core/error.h"
#include "task/metric.h"

namespace circuit {
namespace {

// Values of rows first … first + count − 1 into `values`; returns ∂/∂y of their sum, [count, d_model], if wanted.
at::Tensor work_log_prob(const Model& model, const Answers& answers, const at::Tensor& y, int64_t first, bool wanted,
                         MetricValues* result) {
  const at::Tensor logits = head_logits(model, y);  // [count, vocab]
  const at::Tensor log_probs = at::_log_softmax(logits, 1, false);
  at::Tensor others = at::full_like(log_probs, -std::numeric_limits<double>::infinity(), at::kCPU);
  for (int64_t r = 0; r < y.size(0); ++r) {
    at::Tensor row = others[r];
    for (const int64_t id : answers.ids[first + r]) row[id] = 0;
  }
  const at::Tensor of_answer = log_probs + others.to(log_probs.device());  // −∞ outside the answer
  const at::Tensor value = at::logsumexp(of_answer, {1}, true);            // [count, 1]
  const at::Tensor on_host = value.to(at::kCPU, at::kDouble).contiguous();
  for (int64_t r = 0; r < y.size(0); ++r) result->values[answers.example[first + r]] += on_host.data_ptr<double>()[r];
  if (!wanted) return {};
  // ∂/∂logits of log Σ_{v∈A} p_v is p restricted to A and normalised, less p.
  const at::Tensor d_logits = (of_answer - value).exp() - log_probs.exp();
  return head_d_y(model, head_logits_backward(model, logits, d_logits));
}

MetricValues compute_log_prob(const Model& model, const ExampleBatch& batch, const at::Tensor& x_final,
                              MetricGradient gradient) {
  const Answers answers = answer_tokens(batch);
  const int64_t n = answers.rows.size(0);
  if (n == 0) fail(batch.places[0], "the record has neither readouts nor target tokens, which metric log_prob reads.");
  const HeadInput head = readout_input(model, x_final, answers.rows);
  const bool wanted = gradient != MetricGradient::kNone;
  const at::Tensor d_y = at::zeros_like(head.y);
  MetricValues result;
  result.values.resize(batch.examples);
  for_logit_parts(model, n, [&](int64_t first, int64_t count) {
    const at::Tensor d = work_log_prob(model, answers, head.y.narrow(0, first, count), first, wanted, &result);
    if (wanted) d_y.narrow(0, first, count).copy_(d);
  });
  if (wanted) result.d_final = head_backward(model, head, d_y, batch.tokens.tokens(), rule_of(gradient));
  return result;
}

}  // namespace

Metric log_prob_metric() {
  return {"log_prob", "log-probability of the answer, summed over its tokens", compute_log_prob, Reads::kAnswer};
}

}  // namespace circuit
