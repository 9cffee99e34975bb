// Greedy text at GPT-2-small shape, one thread, beside what no batch can do without: reading the weights once a token.
#include <ATen/Parallel.h>
#include <ATen/ops/ones.h>
#include <fmt/core.h>

#include "groups.h"
#include "measure.h"
#include "model/generate.h"
#include "shapes.h"

namespace circuit::bench {
namespace {

constexpr int64_t kPrompt = 64;
constexpr int64_t kTokens = 32;

// Bytes of weights that a new token reads: all but the position embedding. Of the tied embedding the head reads all.
double bytes_per_step(const Model& model) {
  const int64_t read = model.parameter_count() - model.positions().numel();
  return static_cast<double>(read) * static_cast<double>(model.embedding().element_size());
}

// The seconds of one token more for every sequence, prompts left out: of runs with and without kTokens more.
double step_seconds(const Model& model, int64_t batch, int rounds) {
  std::vector<std::vector<int64_t>> prompts;
  for (const Example& e : random_pairs(batch, kPrompt, model.architecture().vocab)) prompts.push_back(e.ids);
  const auto run = [&](int64_t tokens) {
    GenerateSpec spec;
    spec.max_tokens = tokens;
    spec.batch = batch;
    generate(model, prompts, spec, Rng(0));
  };
  const std::vector<double> times = in_turn({[&] { run(1); }, [&] { run(1 + kTokens); }}, rounds);
  return (times[1] - times[0]) / static_cast<double>(kTokens);
}

}  // namespace

void generation(const Options& options) {
  at::set_num_threads(1);
  const Model model = random_model(gpt2_small(), at::kFloat);
  const at::Tensor large = at::ones({int64_t{1} << 28}, at::kFloat);  // 1 GiB
  std::vector<double> reads;
  const auto read = [&] { reads.push_back(seconds([&] { large.sum(); })); };
  title(fmt::format("Greedy text, {} tokens after prompts of {}, float32, 1 thread", kTokens, kPrompt));
  std::vector<std::pair<int64_t, double>> steps;
  read();
  for (const int64_t batch : {1, 4, 16}) {
    read();
    steps.emplace_back(batch, step_seconds(model, batch, options.rounds));
    read();
  }
  const double bandwidth = static_cast<double>(large.numel()) * 4 / median(reads);
  const double floor = bytes_per_step(model) / bandwidth;
  row("memory bandwidth, reading 1 GiB", bandwidth / 1e9, "GB/s", "");
  for (const auto& [batch, step] : steps) {
    row(fmt::format("batch {}: a token for each / reading the weights", batch), step / floor, "x", "",
        fmt::format("{:.1f} tokens/s, {:.1f} ms a step, floor {:.1f} ms", static_cast<double>(batch) / step, 1e3 * step,
                    1e3 * floor));
  }
}

}  // namespace circuit::bench
