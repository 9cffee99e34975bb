// Peak memory of a plain step, of the methods and of a circuit: its slope in tokens, and beside it what the
// plan says.
#include <ATen/Parallel.h>
#include <fmt/core.h>

#include <algorithm>

#include "circuits.h"
#include "core/rng.h"
#include "groups.h"
#include "measure.h"
#include "scoring/memory.h"
#include "shapes.h"
#include "work.h"

namespace circuit::bench {
namespace {

constexpr double kMb = 1e6;

// Peaks above the model's weights, of two batches or two lengths.
struct Peaks {
  double small = 0, large = 0;
  double slope(int64_t tokens) const { return (large - small) / static_cast<double>(tokens) / kMb; }
};

using Records = std::vector<Example>;

// How much more memory the plan asks for than was used.
std::string against(const ScorePlan& plan, int64_t batch, double peak) {
  const auto planned = static_cast<double>(plan.total(batch) - plan.weights);
  return fmt::format("peak {:.0f} MB, planned {:.0f} ({:.2f} x; {:.2f} MB a token)", peak / kMb, planned / kMb,
                     planned / peak, static_cast<double>(plan.per_token) / kMb);
}

ScorePlan plan_of(const std::string& method, const Model& model, const Graph& graph, int64_t length) {
  return plan_score(model, graph, find_scorer(method), ScoreSpec(logit_diff_metric()), length);
}

}  // namespace

void memory(const Options& options) {
  at::set_num_threads(1);
  title("peak memory above the weights, GPT-2-small shape, float32, 256 to 1,024 tokens, 1 thread");
  const Model model = random_model(gpt2_small(), at::kFloat);
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  constexpr int64_t kLength = 32;
  constexpr int64_t kFew = 8;
  constexpr int64_t kMany = 32;
  const auto measure = [&](const std::function<void(const Records&)>& work) {
    const auto of = [&](int64_t count) {
      const Records examples = random_pairs(count, kLength, model.architecture().vocab);
      return peak_growth([&] { work(examples); });
    };
    return Peaks{of(kFew), of(kMany)};
  };
  const int64_t tokens = (kMany - kFew) * kLength;
  const Peaks plain_peaks = measure([&](const Records& e) { plain(model, e); });
  row("plain: slope per token", plain_peaks.slope(tokens), "MB", "",
      fmt::format("peak {:.0f} MB", plain_peaks.large / kMb));
  double eap_peak = 0;
  const auto method = [&](const std::string& label, const std::string& name, const Ablation* ablation) {
    const Peaks peaks = measure([&](const Records& e) { score(name, model, graph, e, ablation); });
    if (name == "eap") eap_peak = std::max(eap_peak, peaks.large);
    row(label + ": slope per token", peaks.slope(tokens), "MB", "<= 1.1",
        against(plan_of(name, model, graph, kLength), kMany, peaks.large));
  };
  method("eap, mean", "eap", find_ablation("mean"));
  method("eap, counterfactuals", "eap", find_ablation("counterfactual"));
  row("EAP's peak / plain's, 1,024 tokens", eap_peak / plain_peaks.large, "x", "< 1");
  method("eap-ig-inputs(5)", "eap-ig-inputs", find_ablation("counterfactual"));
  method("clean-corrupted", "clean-corrupted", find_ablation("counterfactual"));
  method("relp", "relp", find_ablation("counterfactual"));
  if (options.large) method("eap-ig-activations(5)", "eap-ig-activations", find_ablation("counterfactual"));
  // Any circuit of that size: which edges it has matters little here.
  EdgeScores scores;
  Rng rng(5);
  for (int64_t i = 0; i < graph.n_edges(); ++i) scores.values.push_back(static_cast<float>(rng.normal()));
  const Circuit circuit = one_circuit(model, graph, scores);
  const Peaks peaks = measure(
      [&](const Records& e) { run_circuit(model, graph, e, counterfactual_outputs(model, graph, e), circuit); });
  row(fmt::format("one circuit of {} edges: slope per token", circuit.edges.size()), peaks.slope(tokens), "MB",
      "<= 1.1", against(plan_circuits(model, graph, kLength), kMany, peaks.large));
}

namespace {

// A length of one record under eap, from a child process.
double llama_peak(const Model& model, const Graph& graph, int64_t length, double* time) {
  const Records examples = random_pairs(1, length, model.architecture().vocab);
  double peak = 0;
  *time = seconds([&] { peak = peak_growth([&] { score("eap", model, graph, examples); }); });
  return peak;
}

void llama_memory(at::ScalarType dtype, const Options& options) {
  const std::string type = dtype == at::kFloat ? "float32" : "bf16";
  const Model model = random_model(llama_1b(), dtype, Layers::kShared);
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  constexpr int64_t kShort = 512;
  constexpr int64_t kLong = 1024;
  double time = 0;
  Peaks peaks;
  peaks.small = llama_peak(model, graph, kShort, &time);
  peaks.large = llama_peak(model, graph, kLong, &time);
  const std::string name = fmt::format("eap, counterfactual, {}", type);
  row(name + ": slope per token", peaks.slope(kLong - kShort), "MB", "<= 4",
      against(plan_of("eap", model, graph, kLong), 1, peaks.large));
  if (!options.large) return;
  constexpr int64_t kLongest = 4096;
  const double peak = llama_peak(model, graph, kLongest, &time);
  const ScorePlan plan = plan_of("eap", model, graph, kLongest);
  row(name + ": 4,096 tokens, with weights", (peak + static_cast<double>(plan.weights)) / 1e9, "GB", "< 16",
      fmt::format("{:.0f} s; {}", time, against(plan, 1, peak)));
}

}  // namespace

void llama_memory(const Options& options) {
  at::set_num_threads(1);
  title(
      "peak memory above the weights, Llama-3.2-1B shape (layers share weights), one record of 512 and 1,024 "
      "tokens");
  llama_memory(at::kBFloat16, options);
  llama_memory(at::kFloat, options);
}

}  // namespace circuit::bench
