// EAP and circuit-tuning steps on 16 × 32 tokens, as multiples of what they add to.
#include <ATen/Parallel.h>
#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <memory>

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
      in_turn({[&] { score("eap", model, graph, examples, find_ablation("mean")); }, plain_run}, rounds);
  rates.push_back(gemm_rate(model, tokens));
  const std::vector<double> corrupted = in_turn({[&] { score("eap", model, graph, examples); }, plain_run}, rounds);
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

struct Silent : TuneObserver {
  void on_discovery(const DiscoveryEvent&) override {}
  void on_step(const StepEvent&) override {}
  bool after_updates(int64_t) override { return false; }
};

// Edges whose ends hold a share of the parameters, at random: circuits of 57 % are the paper's.
Circuit circuit_of_share(const Model& model, const Graph& graph, const SliceTable& table, double share) {
  Rng rng(2);
  CircuitNodes nodes{std::vector<bool>(graph.n_upstream()), std::vector<bool>(graph.n_downstream())};
  Circuit circuit;
  for (const int64_t id : permutation(graph.n_edges(), rng)) {
    const Edge e = graph.edge(id);
    if (nodes.upstream[e.upstream] && nodes.downstream[e.downstream]) continue;
    CircuitNodes more = nodes;
    more.upstream[e.upstream] = more.downstream[e.downstream] = true;
    const auto reached = static_cast<double>(table.parameters(table.of_nodes(more, {})));
    if (reached > share * static_cast<double>(model.parameter_count())) continue;
    nodes = more;
    circuit.edges.push_back(id);
  }
  std::sort(circuit.edges.begin(), circuit.edges.end());
  return circuit;
}

// The share is fixed by a selector that ignores the scores; everything else is the real step.
TunerSpec tuner_spec(const std::vector<Example>& examples, const Circuit& circuit) {
  TunerSpec spec;
  spec.discovery.scorer = eap_scorer();
  spec.discovery.score.metric = logit_diff_metric();
  spec.discovery.score.ablation = find_ablation("mean");
  spec.discovery.policy.selector = {"fixed", "",
                                    [circuit](const SelectionInput&, const SelectionSpec&, Rng&) { return circuit; }};
  spec.batches.train = &examples;
  spec.batches.batch = 16;
  spec.optimizer.kind = "adamw";
  spec.schedule.lr = 1e-7;
  return spec;
}

struct Tuned {
  Tuned(Model& model, const Graph& graph, const std::vector<Example>& examples, double share)
      : table(graph, model), circuit(circuit_of_share(model, graph, table, share)), store(model, table.slices()) {
    store.select(table.of_circuit(circuit, {}), SliceStore::OnReturn::kKeep);
    spec = tuner_spec(examples, circuit);
  }
  SliceTable table;
  Circuit circuit;
  SliceStore store;
  TunerSpec spec;
};

// One step: forward, loss, weight gradients of what the store holds, update.
void plain_update(const Model& model, ParameterStore& store, TunerSpec spec) {
  spec.steps = 1;
  Silent silent;
  Trainer(model, store, spec).run(0, silent);
}

void circuit_updates(const Model& model, const Graph& graph, Tuned& tuned, int64_t every, int64_t count) {
  TunerSpec spec = tuned.spec;
  spec.discovery.every = every;
  spec.steps = count;
  Silent silent;
  Trainer(model, graph, tuned.table, tuned.store, spec).run(0, silent);
}

// GEMM work of a step on slices: forward, logits and their backward, activations' backward, and the slices' share of
// the weights' gradients (2 · parameters · tokens). Biases are left out as attention's products are.
double step_gflop(const Work& work, const Tuned& tuned, int64_t tokens) {
  double matrices = 0;
  for (const int64_t id : tuned.store.current()) {
    const Slice& s = tuned.table[id];
    if (s.parameters > s.length) matrices += static_cast<double>(s.parameters);
  }
  return 2 * work.forward + 2 * work.logits + 2e-9 * matrices * static_cast<double>(tokens);
}

void steps(Model& model, const Graph& graph, const Options& options, int threads) {
  at::set_num_threads(threads);
  const std::string type = model.dtype() == at::kFloat ? "float32" : "bf16";
  fmt::print("\n{} thread{}, 16 x 32 tokens, {}: steps with AdamW\n", threads, threads > 1 ? "s" : "", type);
  const std::vector<Example> examples = random_pairs(16, kPos, model.architecture().vocab);
  const int64_t tokens = 16 * kPos;
  const Work work = work_of(model, graph, tokens);
  std::vector<std::unique_ptr<Tuned>> tuned;
  const std::vector<double> shares{0.1, 0.3, 0.57};
  for (const double share : shares) tuned.push_back(std::make_unique<Tuned>(model, graph, examples, share));
  SliceStore full(model, whole_tensors(model));
  full.select_all();
  std::vector<std::function<void()>> actions{[&] { plain_update(model, full, tuned[0]->spec); }};
  for (auto& t : tuned) actions.push_back([&] { plain_update(model, t->store, t->spec); });
  Tuned& most = *tuned.back();
  actions.push_back([&] { circuit_updates(model, graph, most, 1, 1); });
  std::vector<double> rates{gemm_rate(model, tokens)};
  const std::vector<double> times = in_turn(actions, options.rounds);
  rates.push_back(gemm_rate(model, tokens));
  const double rate = median(rates);
  row("GEMM rate", rate, "GFLOP/s", "");
  row("full step / its GEMM floor", times[0] / (work.plain() / rate), "x", "", fmt::format("{:.3f} s", times[0]));
  for (size_t i = 0; i < shares.size(); ++i) {
    const double floor = step_gflop(work, *tuned[i], tokens) / rate;
    row(fmt::format("step on {:.0f} % of the parameters / full", 100 * shares[i]), times[1 + i] / times[0], "x", "",
        fmt::format("{:.3f} s", times[1 + i]));
    row(fmt::format("step on {:.0f} % / its GEMM floor", 100 * shares[i]), times[1 + i] / floor, "x", "<= 1.15");
    row(fmt::format("optimiser state at {:.0f} %", 100 * shares[i]),
        static_cast<double>(tuned[i]->store.state_bytes()) / static_cast<double>(tuned[i]->store.current_parameters()),
        "bytes a parameter", "", fmt::format("{:.0f} MB", static_cast<double>(tuned[i]->store.state_bytes()) / 1e6));
  }
  row("circuit-tuning step, K = 1, 57 % / full", times.back() / times[0], "x", "<= 1.5",
      fmt::format("{:.3f} s", times.back()));
  // Sixteen steps of each, so that the one discovery weighs what it does in a run.
  constexpr int64_t kSteps = 16;
  const std::vector<double> k16 = in_turn({[&] { circuit_updates(model, graph, most, kSteps, kSteps); },
                                           [&] {
                                             for (int64_t i = 0; i < kSteps; ++i) plain_update(model, full, most.spec);
                                           }},
                                          1);
  row("circuit-tuning step, K = 16, 57 % / full", k16[0] / k16[1], "x", "<= 0.95",
      fmt::format("{:.3f} s against {:.3f} s", k16[0] / kSteps, k16[1] / kSteps));
}

// In a child process each, whose two steps have optimiser state, gradients and activations at once.
void peaks(Model& model, const Graph& graph) {
  at::set_num_threads(1);
  const std::vector<Example> examples = random_pairs(16, kPos, model.architecture().vocab);
  const auto weights =
      static_cast<double>(model.parameter_count() * static_cast<int64_t>(model.embedding().element_size()));
  const auto circuit = [&](bool recompute) {
    return peak_growth([&, recompute] {
      Tuned tuned(model, graph, examples, 0.57);
      tuned.spec.recompute = recompute;
      circuit_updates(model, graph, tuned, 1, 2);
    });
  };
  const double full = peak_growth([&] {
    SliceStore store(model, whole_tensors(model));
    store.select_all();
    const TunerSpec spec = tuner_spec(examples, {});
    for (int i = 0; i < 2; ++i) plain_update(model, store, spec);
  });
  const double kept = circuit(false);
  const double remade = circuit(true);
  title(fmt::format("peak memory of a step with AdamW, weights included, 16 x 32 tokens, {}",
                    model.dtype() == at::kFloat ? "float32" : "bf16"));
  row("circuit-tuning, K = 1, 57 % / full", (kept + weights) / (full + weights), "x", "<= 0.8",
      fmt::format("{:.0f} MB against {:.0f} MB", (kept + weights) / 1e6, (full + weights) / 1e6));
  row("the same, activations recomputed / full", (remade + weights) / (full + weights), "x", "",
      fmt::format("{:.0f} MB", (remade + weights) / 1e6));
}

// One step with a discovery and two records' worth of optimiser state behind it, in a child process.
void llama_step() {
  at::set_num_threads(1);
  Model model = random_model(llama_1b(), at::kBFloat16);
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  constexpr int64_t kRecords = 8;
  constexpr int64_t kLength = 128;
  const std::vector<Example> examples = random_pairs(kRecords, kLength, model.architecture().vocab);
  constexpr double kShare = 0.3;
  const auto weights = 2.0 * static_cast<double>(model.parameter_count());
  double time = 0;
  double floor = 0;
  const Work work = work_of(model, graph, kRecords * kLength);
  {
    const Tuned tuned(model, graph, examples, kShare);
    // Forward, logits and their backward, discovery's backward with its contraction, and the step's own.
    const double gflop = step_gflop(work, tuned, kRecords * kLength) + work.forward + work.rebuild + work.contraction;
    floor = gflop / gemm_rate(model, kRecords * kLength);
  }
  const double peak = peak_growth([&] {
    Tuned tuned(model, graph, examples, kShare);
    tuned.spec.batches.batch = kRecords;
    tuned.spec.discovery.score.batch = kRecords;
    circuit_updates(model, graph, tuned, 1, 1);
  });
  {
    Tuned tuned(model, graph, examples, kShare);
    tuned.spec.batches.batch = kRecords;
    time = seconds([&] { circuit_updates(model, graph, tuned, 1, 1); });
  }
  title("one circuit-tuning step (K = 1, AdamW, 30 % of the parameters) at Llama-3.2-1B shape, bf16, 8 x 128 tokens");
  row("peak memory, weights included", (peak + weights) / 1e9, "GB", "<= 16");
  row("time", time, "s", "", fmt::format("{:.2f} x its GEMM floor", time / floor));
}

}  // namespace

void training(const Options& options) {
  const Graph graph(gpt2_small(), KeyValueNodes::kGrouped);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    Model model = random_model(gpt2_small(), dtype);
    for (const int threads : options.threads) {
      if (dtype == at::kFloat) speed(model, graph, threads, options.rounds);
      steps(model, graph, options, threads);
    }
    peaks(model, graph);
  }
  if (options.large) llama_step();
}

}  // namespace circuit::bench
