// `make bench`: speed and memory of the computation on a GPT-2-small-shaped random model, as ratios measured
// side by side in one run. Each row names its floor: GEMM FLOPs over the GEMM rate measured here and now.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <fmt/core.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/error.h"
#include "io/files.h"
#include "model/checkpoint.h"
#include "scoring/scorer.h"
#include "tuning/trainer.h"

namespace circuit {
namespace {

constexpr int64_t kPos = 32;

Architecture gpt2_small() {
  Architecture a;
  a.family = "gpt2";
  a.n_layers = 12;
  a.n_heads = a.n_kv_heads = 12;
  a.d_head = 64;
  a.d_model = 768;
  a.d_mlp = 3072;
  a.vocab = 50257;
  a.n_positions = 1024;
  a.learned_positions = a.qkv_bias = a.attn_out_bias = a.mlp_bias = a.tied_unembedding = true;
  return a;
}

// Random weights, made fast: the benchmark measures time, not values.
Model make_model(const LoadOptions& options) {
  const Model model = Model::random(gpt2_small(), 0, 1, options);
  at::manual_seed(1);
  for (const auto& [name, tensor] : model.parameters()) {
    const bool gain = tensor.dim() == 1 && name.find("bias") == std::string::npos;
    tensor.normal_(gain ? 1.0 : 0.0, 0.02);
  }
  return model;
}

std::vector<Example> make_examples(int64_t count) {
  Rng rng(3);
  std::vector<Example> examples(count);
  for (Example& e : examples) {
    for (int64_t t = 0; t < kPos; ++t) {
      e.ids.push_back(static_cast<int64_t>(rng.below(50257)));
      e.counterfactual_ids.push_back(static_cast<int64_t>(rng.below(50257)));
    }
    e.readouts.push_back({kPos, {11}, {12}, ""});
  }
  return examples;
}

std::vector<const Example*> pointers(const std::vector<Example>& examples) {
  std::vector<const Example*> all;
  for (const Example& e : examples) all.push_back(&e);
  return all;
}

double seconds(const std::function<void()>& action) {
  const auto start = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// GFLOP/s of the multiplications a step is made of, weighted as there (forward shapes of one layer).
double gemm_rate(const Model& model, int64_t tokens) {
  const auto options = model.embedding().options();
  const std::vector<std::pair<int64_t, int64_t>> shapes{{768, 2304}, {768, 768}, {768, 3072}, {3072, 768}};
  double flops = 0;
  std::vector<std::pair<at::Tensor, at::Tensor>> operands;
  for (const auto& [in, out] : shapes) {
    operands.emplace_back(at::rand({tokens, in}, options), at::rand({in, out}, options));
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

struct Work {
  double forward, logits;  // GFLOP per step
};

// GEMM work of one forward, attention's own products left out (as method.md counts).
Work work_of(const Model& model, int64_t tokens) {
  const Architecture& a = model.architecture();
  const double per_layer = 2.0 * a.d_model * (3.0 * a.n_heads * a.d_head + a.n_heads * a.d_head + 2.0 * a.d_mlp);
  return {per_layer * a.n_layers * tokens / 1e9, 2.0 * a.d_model * a.vocab * tokens / 1e9};
}

void plain_step(const Model& model, const ExampleBatch& batch, SliceGradients* gradients) {
  ForwardCache run = forward(model, batch.tokens, Keep::kBackward);
  const Loss loss = nll_loss(model, run.x_final, batch.targets, LossGradient::kStreamAndUnembedding);
  gradients->add(batch.tokens, run, loss, 1.0);
}

void plain(const Model& model, const std::vector<Example>& examples) {
  const ExampleBatch batch = make_example_batch(pointers(examples), model.architecture(), model.device());
  SliceGradients gradients(model, whole_tensors(model));
  plain_step(model, batch, &gradients);
}

void eap(const Model& model, const Graph& graph, const std::vector<Example>& examples, Ablation ablation) {
  ScoreSpec spec;
  spec.metric = logit_diff_metric();
  spec.ablation = ablation;
  spec.batch = static_cast<int64_t>(examples.size());
  find_scorer("eap").score(model, graph, pointers(examples), spec, {});
}

// Peak resident bytes of `work` in a child process, above what it had before.
int64_t peak_growth(const std::function<void()>& work) {
  int channel[2];
  if (pipe(channel) != 0) fail("bench", "pipe failed.");
  const pid_t child = fork();
  if (child == 0) {
    at::set_num_threads(1);
    rusage before{};
    getrusage(RUSAGE_SELF, &before);
    work();
    rusage after{};
    getrusage(RUSAGE_SELF, &after);
    const int64_t growth = (after.ru_maxrss - before.ru_maxrss) * 1024;
    const bool written = write(channel[1], &growth, sizeof growth) == sizeof growth;
    _exit(written ? 0 : 1);
  }
  int64_t growth = -1;
  if (read(channel[0], &growth, sizeof growth) != sizeof growth) growth = -1;
  waitpid(child, nullptr, 0);
  close(channel[0]);
  close(channel[1]);
  return growth;
}

struct Ratio {
  double numerator, denominator;
};

// Alternates the two and returns the medians, so that drift of the machine hits both.
Ratio paired(const std::function<void()>& a, const std::function<void()>& b, int rounds) {
  std::vector<double> times_a;
  std::vector<double> times_b;
  a();
  b();
  for (int i = 0; i < rounds; ++i) {
    times_a.push_back(seconds(a));
    times_b.push_back(seconds(b));
  }
  return {median(times_a), median(times_b)};
}

void row(const std::string& name, double value, const std::string& unit, const std::string& target,
         const std::string& note = "") {
  fmt::print("{:<58} {:>9.3f} {:<8} {:>12}  {}\n", name, value, unit, target, note);
  std::fflush(stdout);
}

void speed(const Model& model, const Graph& graph, int threads, int rounds) {
  at::set_num_threads(threads);
  fmt::print("\n{} thread{}, 16 x 32 tokens, float32\n", threads, threads > 1 ? "s" : "");
  const std::vector<Example> examples = make_examples(16);
  const int64_t tokens = 16 * kPos;
  const Work work = work_of(model, tokens);
  const ExampleBatch batch = make_example_batch(pointers(examples), model.architecture(), at::kCPU);
  const auto plain_run = [&] { plain(model, examples); };
  gemm_rate(model, tokens);
  std::vector<double> rates{gemm_rate(model, tokens)};
  const auto floor_seconds = [&](double gflop) { return gflop / median(rates); };
  const Ratio mean = paired([&] { eap(model, graph, examples, Ablation::kMean); }, plain_run, rounds);
  rates.push_back(gemm_rate(model, tokens));
  const Ratio corrupted = paired([&] { eap(model, graph, examples, Ablation::kCounterfactual); }, plain_run, rounds);
  rates.push_back(gemm_rate(model, tokens));
  row("GEMM rate", median(rates), "GFLOP/s", "");
  const double plain_gflop = 3 * (work.forward + work.logits);
  row("plain forward+backward / its GEMM floor", mean.denominator / floor_seconds(plain_gflop), "x",
      threads == 1 ? "<= 1.15" : "<= 1.35", fmt::format("{:.3f} s", mean.denominator));
  // Rebuilding A_u and the readers' gradients, and the contraction over real edges (method.md, "Cost").
  const Architecture& a = model.architecture();
  const double rebuild = 2.0 * a.n_layers * 4 * a.n_heads * a.d_head * a.d_model * tokens / 1e9;
  const double contraction = 2.0 * graph.n_edges() * a.d_model * tokens / 1e9;
  const double eap_gflop = 2 * work.forward + rebuild + contraction;
  row("EAP, mean ablation / plain", mean.numerator / mean.denominator, "x", "<= 0.72",
      fmt::format("{:.3f} s, {:.2f} x its floor", mean.numerator, mean.numerator / floor_seconds(eap_gflop)));
  row("EAP, counterfactuals / plain", corrupted.numerator / corrupted.denominator, "x", "<= 0.95",
      fmt::format("{:.3f} s, {:.2f} x its floor", corrupted.numerator,
                  corrupted.numerator / floor_seconds(eap_gflop + work.forward)));
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
  const std::vector<Example> examples = make_examples(16);
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
  spec.selector = {"fixed", "", [](const SelectionInput&, const SelectionSpec&, Rng&) {
                     return Circuit{*fixed_edges()};
                   }};
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
  const Ratio k1 = paired([&] { steps(circuit_store, true, 1, 1); }, [&] { steps(full_store, false, 1, 1); }, rounds);
  row("circuit-tuning step, K = 1, 57 % / full", k1.numerator / k1.denominator, "x", "<= 2.0",
      fmt::format("{:.3f} s against {:.3f} s", k1.numerator, k1.denominator));
  const Ratio k16 =
      paired([&] { steps(circuit_store, true, 16, kSteps); }, [&] { steps(full_store, false, 1, kSteps); }, 1);
  row("circuit-tuning step, K = 16, 57 % / full", k16.numerator / k16.denominator, "x", "<= 1.05",
      fmt::format("{:.3f} s against {:.3f} s", k16.numerator / kSteps, k16.denominator / kSteps));
}

void memory(const Model& model, const Graph& graph) {
  fmt::print("\npeak memory, 256 to 1,024 tokens, one thread\n");
  constexpr double kMb = 1e6;
  const auto measure = [&](const std::function<void(const std::vector<Example>&)>& work) {
    std::vector<double> peaks;
    for (const int64_t count : {8, 32}) {
      const std::vector<Example> examples = make_examples(count);
      peaks.push_back(static_cast<double>(peak_growth([&] { work(examples); })));
    }
    return peaks;
  };
  const auto plain_peaks = measure([&](const std::vector<Example>& e) { plain(model, e); });
  const auto eap_peaks = measure([&](const std::vector<Example>& e) { eap(model, graph, e, Ablation::kMean); });
  const auto pair_peaks =
      measure([&](const std::vector<Example>& e) { eap(model, graph, e, Ablation::kCounterfactual); });
  const auto slope = [](const std::vector<double>& peaks) { return (peaks[1] - peaks[0]) / (768 * kMb); };
  row("plain: slope per token", slope(plain_peaks), "MB", "", fmt::format("peak {:.0f} MB", plain_peaks[1] / kMb));
  row("EAP, mean: slope per token", slope(eap_peaks), "MB", "<= 1.1", fmt::format("peak {:.0f} MB", eap_peaks[1] / kMb));
  row("EAP, counterfactuals: slope per token", slope(pair_peaks), "MB", "<= 1.1",
      fmt::format("peak {:.0f} MB", pair_peaks[1] / kMb));
  row("EAP's peak / plain's, 1,024 tokens", std::max(eap_peaks[1], pair_peaks[1]) / plain_peaks[1], "x", "< 1");
}

void opening(const Model& model) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("circuit-bench-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  NamedTensors tensors;
  for (const TensorShape& t : model.layout().tensors) tensors.emplace_back("transformer." + t.name, model.parameter(t.name));
  save_tensors((folder / "model.safetensors").string(), tensors, {{"format", "pt"}});
  write_file((folder / "config.json").string(),
             R"({"model_type":"gpt2","n_layer":12,"n_head":12,"n_embd":768,"vocab_size":50257,"n_positions":1024})");
  std::vector<double> times;
  for (int i = 0; i < 5; ++i) {
    times.push_back(seconds([&] { Model::load(Checkpoint::open(folder.string()), {}); }));
  }
  std::filesystem::remove_all(folder);
  fmt::print("\n");
  row("opening a 498 MB checkpoint, beyond start-up", median(times), "s", "<= 0.2");
}

int run(int argc, char** argv) {
  int rounds = 3;
  std::vector<int> thread_counts{1, 2};
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::strcmp(argv[i], "--rounds") == 0) rounds = std::max(1, std::atoi(argv[i + 1]));
    if (std::strcmp(argv[i], "--threads") == 0) thread_counts = {std::max(1, std::atoi(argv[i + 1]))};
  }
  // As the program does: large blocks stay with the process instead of being faulted in again every step.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  const Model model = make_model({});
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  fmt::print("{:<58} {:>9} {:<8} {:>12}\n", "GPT-2-small shape, 124 M parameters", "", "", "target");
  opening(model);
  memory(model, graph);
  for (const int threads : thread_counts) {
    speed(model, graph, threads, rounds);
    tuning(model, graph, threads, std::max(1, rounds / 2));
  }
  return 0;
}

}  // namespace
}  // namespace circuit

int main(int argc, char** argv) {
  try {
    return circuit::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
