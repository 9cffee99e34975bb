// Methods and circuits on 8 × 32 counterfactual pairs, one thread, as multiples of a plain forward and
// backward.
#include <ATen/Parallel.h>
#include <fmt/core.h>

#include "circuits.h"
#include "evaluation/circuits.h"
#include "groups.h"
#include "measure.h"
#include "shapes.h"
#include "work.h"

namespace circuit::bench {
namespace {

constexpr int64_t kPairs = 8;
constexpr int64_t kLength = 32;
constexpr int kGradients = 5;

struct Timed {
  std::string name;
  std::function<void()> work;
  double gflop;  // its floor
  std::string target;
};

}  // namespace

void pairs(const Options& options) {
  at::set_num_threads(1);
  const Model model = random_model(gpt2_small(), at::kFloat);
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const std::vector<Example> examples = random_pairs(kPairs, kLength, model.architecture().vocab);
  const int64_t tokens = kPairs * kLength;
  const Work w = work_of(model, graph, tokens);
  const EdgeScores scores = score("eap", model, graph, examples).scores;
  const Circuit circuit = one_circuit(model, graph, scores);
  const std::vector<Circuit> sizes = ten_circuits(model, graph, scores);
  const NodeOutputs ablated = counterfactual_outputs(model, graph, examples);
  const ExampleBatch batch = make_example_batch(pointers(examples), model.architecture(), model.device());
  const auto method = [&](const std::string& name) { return [&, name] { score(name, model, graph, examples); }; };
  // A gradient: forward, backward, and its inner products with the node outputs.
  const double gradient = 2 * w.forward + w.rebuild + w.contraction;
  std::vector<Timed> all{
      {"plain forward+backward", [&] { plain(model, examples); }, w.plain(), ""},
      {"forward", [&] { forward(model, batch.tokens, Keep::kNothing); }, w.forward, ""},
      {"eap", method("eap"), gradient + w.forward, "<= 0.95"},
      {"eap-ig-inputs(5)", method("eap-ig-inputs"), (2 + 2 * kGradients) * w.forward + w.rebuild + w.contraction,
       "<= 3.9"},
      {"clean-corrupted", method("clean-corrupted"), 5 * w.forward + w.rebuild + w.contraction, "<= 1.5"},
      {"relp", method("relp"), gradient + w.forward, ""},
      {fmt::format("one circuit of {} edges ({} unpruned)", circuit.edges.size(), kCircuitEdges),
       [&] { run_circuit(model, graph, examples, counterfactual_outputs(model, graph, examples), circuit); },
       2 * w.forward, "<= 0.8"},
      {"the same without the counterfactual's forward", [&] { run_circuit(model, graph, examples, ablated, circuit); },
       w.forward, ""},
      {"ten circuit sizes, whole evaluation",
       [&] { run_circuits(model, graph, pointers(examples), score_spec(examples), sizes, {}); }, 12 * w.forward, ""},
  };
  std::vector<std::function<void()>> actions;
  for (const Timed& t : all) actions.push_back(t.work);
  gemm_rate(model, tokens);
  std::vector<double> rates{gemm_rate(model, tokens)};
  const std::vector<double> times = in_turn(actions, options.rounds);
  rates.push_back(gemm_rate(model, tokens));
  const double rate = median(rates);
  const double plain_seconds = times[0];
  title(fmt::format("8 x 32 counterfactual pairs, float32, 1 thread, GEMM rate {:.0f} GFLOP/s", rate));
  row("plain forward+backward / its GEMM floor", plain_seconds / (w.plain() / rate), "x", "<= 1.15",
      fmt::format("{:.3f} s", plain_seconds));
  for (size_t i = 1; i < all.size(); ++i) {
    row(all[i].name + " / plain", times[i] / plain_seconds, "x", all[i].target,
        fmt::format("{:.3f} s, {:.2f} x its floor", times[i], times[i] / (all[i].gflop / rate)));
  }
  row("ten circuit sizes / ten forwards", times.back() / (10 * times[1]), "x", "<= 2.5", "with metrics and ablation");
  if (!options.large) return;
  const double activations = seconds(method("eap-ig-activations"));
  row("eap-ig-activations(5) / plain", activations / plain_seconds, "x", "",
      fmt::format("{:.1f} s, once", activations));
}

}  // namespace circuit::bench
