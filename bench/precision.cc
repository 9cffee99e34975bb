// BF16 beside float32 on the same records, one thread.
#include <ATen/Parallel.h>
#include <fmt/core.h>

#include "groups.h"
#include "measure.h"
#include "shapes.h"
#include "work.h"

namespace circuit::bench {

void precision(const Options& options) {
  at::set_num_threads(1);
  const std::vector<Example> examples = random_pairs(8, 32, gpt2_small().vocab);
  const std::vector<Model> models{random_model(gpt2_small(), at::kFloat), random_model(gpt2_small(), at::kBFloat16)};
  const Graph graph(gpt2_small(), KeyValueNodes::kGrouped);
  const std::vector<std::string> names{"plain forward+backward", "eap, mean", "eap, counterfactuals",
                                       "eap-ig-inputs(5)"};
  std::vector<std::function<void()>> actions;
  for (const Model& model : models) {
    actions.push_back([&] { plain(model, examples); });
    actions.push_back([&] { score("eap", model, graph, examples, find_ablation("mean")); });
    actions.push_back([&] { score("eap", model, graph, examples); });
    actions.push_back([&] { score("eap-ig-inputs", model, graph, examples); });
  }
  const std::vector<double> times = in_turn(actions, options.rounds);
  const size_t n = names.size();
  title("BF16 beside float32, 8 x 32 counterfactual pairs, 1 thread");
  row("GEMM rate, float32", gemm_rate(models[0], 256), "GFLOP/s", "");
  row("GEMM rate, bf16", gemm_rate(models[1], 256), "GFLOP/s", "");
  for (size_t i = 0; i < n; ++i) {
    row(names[i] + ": bf16 / float32", times[n + i] / times[i], "x", "",
        fmt::format("{:.3f} s against {:.3f} s; / plain {:.2f} against {:.2f}", times[n + i], times[i],
                    times[n + i] / times[n], times[i] / times[0]));
  }
}

}  // namespace circuit::bench
