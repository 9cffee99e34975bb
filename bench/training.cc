// EAP and circuit-tuning steps on 16 × 32 tokens, as multiples of what they add to.
#include <ATen/Parallel.h>
#include <fmt/core.h>

#include <algorithm>

#include "groups.h"
#include "measure.h"
#include "shapes.h"
#include "tuning/trainer.h"
#include "work.h"

namespace circuit::bench {
namespace {

constexpr int64_t kPos = 32;

void speed(const Model& model, const Graph& graph, int threads, int rounds) {
  at::set_num_threads(threads);
  fmt::print("\n{} thread{}, 16 x 32 tokens, float32\n", threads, threads > 1 ? "s" : "");
  const std::vector<Example> examples = random_pairs(16, kPos, model.architecture().vocab);
  const int64_t tokens = 16 * kPos;
  const Work work = work_of(model, graph, tokens);
  const auto plain_run = [&] { plain(model, examples); };
  gemm_rate(model, tokens);
  std::vector<double> rates{gemm_rate(model, tokens)};
  const auto floor_seconds = [&](double gflop) { return gflop / median(rates); };
  const std::vector<double> mean =
      in_turn({[&] { score("eap", model, graph, examples, Ablation::kMean); }, plain_run}, rounds);
  rates.push_back(gemm_rate(model, tokens));
  const std::vector<double> corrupted =
      in_turn({[&] { score("eap", model, graph, examples); }, plain_run}, rounds);
  rates.push_back(gemm_rate(model, tokens));
  row("GEMM rate", median(rates), "GFLOP/s", "");
  row("plain forward+backward / its GEMM floor", mean[1] / floor_seconds(work.plain()), "x",
      threads == 1 ? "<= 1.15" : "<= 1.35", fmt::format("{:.3f} s", mean[1]));
  const double eap_gflop = 2 * work.forward + work.rebuild + work.contraction;
  row("EAP, mean ablation / plain", mean[0] / mean[1], "x", "<= 0.72",
      fmt::format("{:.3f} s, {:.2f} x its floor", mean[0], mean[0] / floor_seconds(eap_gflop)));
  row("EAP, counterfactuals / plain", corrupted[0] / corrupted[1], "x", "<= 0.95",
      fmt::format("{:.3f} s, {:.2f} x its floor", corrupted[0],
                  corrupted[0] / floor_seconds(eap_gflop + work.forward)));
}

// The share is fixed by a selector that ignores the scores; everything else is the real step.
std::vector<int64_t>* fixed_edges() {
  static std::vector<int64_t> edges;
  return &edges;
}

class Silent : public TuneObserver {
 public:
  void on_discovery(const DiscoveryEvent&) override {}
  void on_step(const StepEvent&) override {}
  bool after_updates(int64_t) override { return false; }
};

void tuning(const Model& model, const Graph& graph, int threads, int rounds) {
  at::set_num_threads(threads);
  const SliceTable table(graph, model);
  const std::vector<Example> examples = random_pairs(16, kPos, model.architecture().vocab);
  // Edges whose ends hold 57 % of the parameters, as the paper's circuits do.
  Rng rng(2);
  CircuitNodes nodes{std::vector<bool>(graph.n_upstream()), std::vector<bool>(graph.n_downstream())};
  fixed_edges()->clear();
  int64_t parameters = 0;
  for (const int64_t id : permutation(graph.n_edges(), rng)) {
    if (parameters >= 0.57 * static_cast<double>(model.parameter_count())) break;
    const Edge e = graph.edge(id);
    if (nodes.upstream[e.upstream] && nodes.downstream[e.downstream]) continue;
    nodes.upstream[e.upstream] = nodes.downstream[e.downstream] = true;
    fixed_edges()->push_back(id);
    parameters = table.parameters(table.of_nodes(nodes, {}));
  }
  std::sort(fixed_edges()->begin(), fixed_edges()->end());
  TunerSpec spec;
  spec.scorer = eap_scorer();
  spec.score.metric = logit_diff_metric();
  spec.score.ablation = Ablation::kMean;
  spec.selector = {"fixed", "",
                   [](const SelectionInput&, const SelectionSpec&, Rng&) { return Circuit{*fixed_edges()}; }};
  spec.batch = 16;
  spec.optimizer.kind = "adamw";
  spec.schedule.lr = 1e-7;
  constexpr int64_t kSteps = 16;
  spec.steps = spec.schedule.steps = kSteps;
  Silent silent;
  SliceStore circuit_store(model, table.slices());
  SliceStore full_store(model, whole_tensors(model));
  std::vector<int64_t> all(full_store.table().size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
  full_store.select(all, SliceStore::OnReturn::kKeep);
  const auto steps = [&](SliceStore& store, bool discovers, int64_t every, int64_t count) {
    TunerSpec s = spec;
    s.discovers = discovers;
    s.every = every;
    s.steps = count;
    Trainer(model, graph, table, store, examples, s).run(0, silent);
  };
  const std::vector<double> k1 =
      in_turn({[&] { steps(circuit_store, true, 1, 1); }, [&] { steps(full_store, false, 1, 1); }}, rounds);
  row("circuit-tuning step, K = 1, 57 % / full", k1[0] / k1[1], "x", "<= 2.0",
      fmt::format("{:.3f} s against {:.3f} s", k1[0], k1[1]));
  const std::vector<double> k16 = in_turn(
      {[&] { steps(circuit_store, true, 16, kSteps); }, [&] { steps(full_store, false, 1, kSteps); }}, 1);
  row("circuit-tuning step, K = 16, 57 % / full", k16[0] / k16[1], "x", "<= 1.05",
      fmt::format("{:.3f} s against {:.3f} s", k16[0] / kSteps, k16[1] / kSteps));
}

}  // namespace

void training(const Options& options) {
  const Model model = random_model(gpt2_small(), at::kFloat);
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  for (const int threads : options.threads) {
    speed(model, graph, threads, options.rounds);
    tuning(model, graph, threads, std::max(1, options.rounds / 2));
  }
}

}  // namespace circuit::bench
