// How the contraction grows with tokens, layers and heads, up to the graph of an 8B-shaped model: edge ·
// tokens a second should stay level. Layers share weights and the vocabulary is small, so that every shape
// fits.
#include <ATen/Parallel.h>
#include <fmt/core.h>

#include "groups.h"
#include "measure.h"
#include "scoring/edge_accumulator.h"
#include "shapes.h"
#include "task/metric.h"
#include "work.h"

namespace circuit::bench {
namespace {

class Ignored : public BackwardVisitor {
 public:
  void on_mlp(const MlpBackward&) override {}
  void on_attention(const AttentionBackward&) override {}
  void on_embedding(const at::Tensor&) override {}
};

struct Sized {
  std::string label;
  Architecture architecture;
  int64_t tokens;
};

std::vector<Sized> sizes() {
  std::vector<Sized> all;
  const auto gpt2 = [&](const std::string& label, int64_t tokens, int64_t layers, int64_t heads) {
    Architecture a = gpt2_small();
    a.n_layers = layers;
    a.n_heads = a.n_kv_heads = heads;
    a.d_head = a.d_model / heads;
    all.push_back({label, a, tokens});
  };
  for (const int64_t tokens : {64, 128, 256, 512}) gpt2("tokens", tokens, 12, 12);
  for (const int64_t layers : {6, 12, 24, 48}) gpt2("layers", 128, layers, 12);
  for (const int64_t heads : {6, 12, 24, 48}) gpt2("heads", 128, 12, heads);
  all.push_back({"1B", llama_1b(), 64});
  all.push_back({"8B", llama_8b(), 32});
  return all;
}

void grow(const Sized& size, int rounds) {
  Architecture a = size.architecture;
  a.vocab = 1000;
  const Model model = random_model(a, at::kFloat, Layers::kShared);
  const Graph graph(a, KeyValueNodes::kGrouped);
  const int64_t length = 32;
  const std::vector<Example> examples = random_pairs(size.tokens / length, length, a.vocab);
  const ExampleBatch batch = make_example_batch(pointers(examples), a, at::kCPU);
  ForwardCache run = forward(model, batch.tokens, Keep::kBackwardAndNodeOutputs);
  const at::Tensor d_final = logit_diff_metric().compute(model, batch, run.x_final, MetricGradient::kStream).d_final;
  const NodeOutputs outputs = node_outputs(a, run, mlp_form(graph));
  EdgeAccumulator scores(model, graph, {});
  ScoredPart part;
  part.use = CacheUse::kKeep;
  const auto backward_alone = [&] {
    Ignored ignored;
    backward(model, batch.tokens, run, d_final, KeyValueGradients::kGrouped, CacheUse::kKeep, ignored);
  };
  const std::vector<double> times =
      in_turn({[&] { scores.add(batch.tokens, run, d_final, outputs, part); }, backward_alone}, rounds);
  const double contraction = times[0] - times[1];
  const double rate = gemm_rate(model, size.tokens);
  const Work w = work_of(model, graph, size.tokens);
  const double edge_tokens = static_cast<double>(graph.n_edges()) * static_cast<double>(size.tokens);
  fmt::print("{:<8} {:>7} {:>7} {:>6} {:>8} {:>9} {:>12.3f} {:>12.3f} {:>16.1f} {:>12.1f} {:>10.2f}\n", size.label,
             size.tokens, a.n_layers, a.n_heads, a.d_model, graph.n_edges(), times[1], contraction,
             edge_tokens / contraction / 1e6, static_cast<double>(graph.n_edges()) / times[0] / 1e3,
             contraction / ((w.rebuild + w.contraction) / rate));
  std::fflush(stdout);
}

}  // namespace

void growth(const Options& options) {
  at::set_num_threads(1);
  title("growth of the contraction, float32, 1 thread; edges/s: of backward and contraction together");
  fmt::print("{:<8} {:>7} {:>7} {:>6} {:>8} {:>9} {:>12} {:>12} {:>16} {:>12} {:>10}\n", "", "tokens", "layers",
             "heads", "d_model", "edges", "backward s", "contract. s", "M edge tokens/s", "k edges/s", "x floor");
  for (const Sized& size : sizes()) grow(size, options.rounds);
}

}  // namespace circuit::bench
