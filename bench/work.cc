#include "work.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/rand.h>

#include <utility>

#include "measure.h"
#include "shapes.h"
#include "tuning/slice_store.h"

namespace circuit::bench {

double gemm_rate(const Model& model, int64_t tokens) {
  const Architecture& a = model.architecture();
  const int64_t heads = a.n_heads * a.d_head;
  const std::vector<std::pair<int64_t, int64_t>> shapes{
      {a.d_model, heads + 2 * a.n_kv_heads * a.d_head}, {heads, a.d_model}, {a.d_model, a.d_mlp}, {a.d_mlp, a.d_model}};
  double flops = 0;
  std::vector<std::pair<at::Tensor, at::Tensor>> operands;
  for (const auto& [in, out] : shapes) {
    operands.emplace_back(at::rand({tokens, in}, model.embedding().options()),
                          at::rand({in, out}, model.embedding().options()));
    flops += 2.0 * static_cast<double>(tokens * in * out);
  }
  std::vector<double> times;
  for (int i = 0; i < 7; ++i) {
    times.push_back(seconds([&] {
      for (const auto& [x, w] : operands) at::mm(x, w);
    }));
  }
  return flops / median(times) / 1e9;
}

Work work_of(const Model& model, const Graph& graph, int64_t tokens) {
  const Architecture& a = model.architecture();
  const double giga = 2.0 * static_cast<double>(a.d_model) * static_cast<double>(tokens) / 1e9;
  const auto heads = static_cast<double>(a.n_heads * a.d_head);
  const auto kv = static_cast<double>(2 * a.n_kv_heads * a.d_head);
  const double mlp = static_cast<double>(a.d_mlp) * static_cast<double>(a.layer(0).mlp.inputs_per_channel() + 1);
  const auto layers = static_cast<double>(a.n_layers);
  const auto readers = static_cast<double>((graph.n_heads() + 2 * graph.kv_nodes()) * a.d_head);
  return {giga * layers * (2 * heads + kv + mlp), giga * static_cast<double>(a.vocab),
          giga * layers * (heads + readers), giga * static_cast<double>(graph.n_edges())};
}

void plain(const Model& model, const std::vector<Example>& examples) {
  const ExampleBatch batch = make_example_batch(pointers(examples), model.architecture(), model.device());
  SliceGradients gradients(model, whole_tensors(model));
  ForwardCache run = forward(model, batch.tokens, Keep::kBackward);
  const Loss loss = nll_loss(model, run.x_final, batch.targets, LossGradient::kStreamAndUnembedding);
  weight_gradients(model, batch.tokens, run, loss, 1, gradients);
}

ScoreSpec score_spec(const std::vector<Example>& examples, const Ablation* ablation) {
  ScoreSpec spec(logit_diff_metric());
  spec.ablation = ablation;
  spec.batch = static_cast<int64_t>(examples.size());
  return spec;
}

ScoreResult score(const std::string& method, const Model& model, const Graph& graph,
                  const std::vector<Example>& examples, const Ablation* ablation) {
  return find_scorer(method).score(model, graph, pointers(examples), score_spec(examples, ablation), {});
}

}  // namespace circuit::bench
