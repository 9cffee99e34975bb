// From an accumulator's sums to scores: by edge, with the sum rule held against them, and by pairs of spans.
#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "scoring/edge_accumulator.h"

namespace circuit {
namespace {

// Rounding is of the streams that a node's readers share: one that adds next to nothing is judged against this share
// of the largest Σ_v |S(u→v)|.
constexpr double kLeastMagnitude = 1e-3;

}  // namespace

void EdgeAccumulator::subtract_mean(at::Tensor* sums, at::Tensor* direct) const {
  const Architecture& a = model_.architecture();
  const NodeOutputs mean = mean_.mean(at::kDouble);
  at::Tensor ablated = at::empty({graph_.n_upstream(), a.d_model}, sums->options());
  ablated[0].copy_(mean.input);
  (*direct)[0].sub_((mean.input * input_gradient_sum_).sum());
  // Nodes whose compact outputs [nodes · width] share the weight [nodes, width, d_model], undefined: the identity.
  const auto subtract = [&](int64_t first, int64_t nodes, const at::Tensor& output, const at::Tensor& weight,
                            const at::Tensor& gradient_sum) {
    // No more precise than the outputs it is taken from.
    ablated.narrow(0, first, nodes)
        .copy_(weight.defined() ? at::bmm(output.view({nodes, 1, -1}).to(weight.scalar_type()), weight).squeeze(1)
                                : output.unsqueeze(0));
    direct->narrow(0, first, nodes).sub_((output * gradient_sum).view({nodes, -1}).sum(1));
  };
  for (int64_t l = 0; l < a.n_layers; ++l) {
    subtract(graph_.head(l, 0), a.n_heads, mean.z[l], output_[l], z_gradient_sums_[l]);
    subtract(graph_.mlp(l), graph_.mlp_blocks(l), mean.mlp[l], blocks() ? mlp_output_[l] : at::Tensor(),
             mlp_gradient_sums_[l]);
  }
  sums->sub_(at::mm(ablated, reader_sums_.t()));
}

std::vector<at::Tensor> EdgeAccumulator::take() {
  std::vector<at::Tensor> all;
  for (at::Tensor* sum : sums()) {
    all.push_back(*sum);
    if (sum->defined()) *sum = at::zeros_like(*sum);
  }
  for (at::Tensor& sum : mean_.take()) all.push_back(std::move(sum));
  return all;
}

void EdgeAccumulator::give(std::vector<at::Tensor> all) {
  size_t next = 0;
  for (at::Tensor* sum : sums()) *sum = std::move(all[next++]);
  mean_.give({all.begin() + static_cast<int64_t>(next), all.end()});
}

std::vector<at::Tensor*> EdgeAccumulator::sums() {
  std::vector<at::Tensor*> all{&sums_, &reader_sums_, &direct_, &input_gradient_sum_};
  for (std::vector<at::Tensor>* kind : {&z_gradient_sums_, &mlp_gradient_sums_}) {
    for (at::Tensor& sum : *kind) all.push_back(&sum);
  }
  return all;
}

EdgeScores EdgeAccumulator::finish(int64_t examples, double* sum_rule_error) const {
  if (examples == 0) fail("scoring", "there are no examples to score on.");
  at::Tensor sums = sums_.sum(0);  // over where
  at::Tensor direct = direct_.clone();
  if (spec_.subtract == Subtract::kMean) subtract_mean(&sums, &direct);
  sums = sums.to(at::kCPU).contiguous();
  direct = direct.to(at::kCPU);
  const auto* s = sums.data_ptr<double>();
  EdgeScores scores;
  scores.values.resize(graph_.n_edges());
  std::vector<double> total(graph_.n_upstream());
  std::vector<double> magnitude(graph_.n_upstream());
  for (int64_t v = 0; v < graph_.n_downstream(); ++v) {
    const int64_t parts = slots_.split(v) ? slots_.spans() : 1;
    const int64_t slot = slots_.of(v, 0);
    const int64_t apart = parts > 1 ? slots_.of(v, 1) - slot : 0;
    for (int64_t u = 0; u < graph_.visible(v); ++u) {
      double score = 0;
      for (int64_t i = 0; i < parts; ++i) score += s[u * slots_.count() + slot + i * apart];
      score /= static_cast<double>(examples);
      if (!std::isfinite(score)) {
        fail("scoring",
             "the score of edge {} is not finite: activations overflow on this data. When tuning, lower optimizer.lr.",
             graph_.edge_name(graph_.edge_id(u, v)));
      }
      scores.values[graph_.edge_id(u, v)] = static_cast<float>(score);
      total[u] += score;
      magnitude[u] += std::fabs(score);
    }
  }
  if (sum_rule_error != nullptr) {
    *sum_rule_error = 0;
    const double largest = *std::max_element(magnitude.begin(), magnitude.end());
    for (int64_t u = 0; u < graph_.n_upstream(); ++u) {
      const double expected = direct.data_ptr<double>()[u] / static_cast<double>(examples);
      const double scale = std::max(magnitude[u], kLeastMagnitude * largest);
      if (scale == 0) continue;
      *sum_rule_error = std::max(*sum_rule_error, std::fabs(total[u] - expected) / scale);
    }
  }
  return scores;
}

SpanScores EdgeAccumulator::finish_spans(int64_t examples) const {
  const int64_t n = slots_.spans();
  const at::Tensor sums = sums_.to(at::kCPU).contiguous();  // [where, upstream, slots]
  const auto* s = sums.data_ptr<double>();
  SpanScores scores;
  scores.names = spec_.spans;
  scores.values.assign(graph_.n_edges() * n * n, 0.F);
  for (int64_t v = 0; v < graph_.n_downstream(); ++v) {
    for (int64_t u = 0; u < graph_.visible(v); ++u) {
      float* of_edge = scores.values.data() + graph_.edge_id(u, v) * n * n;
      for (int64_t where = 0; where < n; ++where) {
        const double* row = s + (where * graph_.n_upstream() + u) * slots_.count();
        for (int64_t whom = 0; whom < n; ++whom) {
          if (!slots_.split(v) && whom != where) continue;
          of_edge[where * n + whom] = static_cast<float>(row[slots_.of(v, whom)] / static_cast<double>(examples));
        }
      }
    }
  }
  return scores;
}

}  // namespace circuit
