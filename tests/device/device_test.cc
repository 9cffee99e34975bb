// What computes, on a device that is not there (fake_device.h): the same numbers as on the CPU, no tensor of the wrong
// device, no memory of the device touched by the host, and few launches and waits where a step is bound by them.
#include <ATen/TensorOperators.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "core/rng.h"
#include "evaluation/circuits.h"
#include "evaluation/curve.h"
#include "evaluation/evaluation.h"
#include "evaluation/neuron_circuit.h"
#include "intervention/cross_patch.h"
#include "model/generate.h"
#include "tests/device/fake_device.h"
#include "tuning/method.h"
#include "tuning/testing.h"

namespace circuit {
namespace {

// Of the largest value: the CPU's kernels compute both, but loops of ours stand in for some on the CPU alone.
constexpr double kTolerance = 2e-5;

Model model_on(at::Device device, const Architecture& a, at::ScalarType dtype = at::kFloat) {
  LoadOptions options;
  options.device = device;
  options.dtype = dtype;
  return Model::random(a, 0.3, 7, options);
}

template <class Values>
void expect_alike(const Values& here, const Values& cpu, const std::string& what) {
  ASSERT_EQ(here.size(), cpu.size()) << what;
  double most = 0;
  double largest = 0;
  for (size_t i = 0; i < here.size(); ++i) {
    most = std::max(most, std::fabs(static_cast<double>(here[i]) - static_cast<double>(cpu[i])));
    largest = std::max(largest, std::fabs(static_cast<double>(cpu[i])));
  }
  EXPECT_LE(most, kTolerance * std::max(0.1, largest)) << what;
}

class OnADevice : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    // mean-positional wants equal lengths, kl a readout each.
    for (Example& e : examples_) {
      e.ids.resize(4);
      e.counterfactual_ids.resize(4);
      e.readouts = {{4, {1, 7}, {2}, ""}, {2, {3}, {4}, ""}};
      e.first_target = 1;
    }
  }
  Architecture architecture_ = tiny_architecture(GetParam(), 2);
  Model here_ = model_on(fake_device(), architecture_);
  Model cpu_ = model_on(at::kCPU, architecture_);
  std::vector<Example> examples_ = random_examples(architecture_, 6);
};

TEST_P(OnADevice, ScoresAreTheCpus) {
  const auto compare = [&](const Graph& graph, const Scorer& scorer, const Metric& metric, const Ablation& ablation) {
    if (scorer.needs_pairs && ablation.name != "counterfactual") return;
    ScoreSpec spec(metric);
    spec.ablation = &ablation;
    spec.batch = 3;
    spec.own.set<int64_t>("mask_steps", 2);
    const std::string what = scorer.name + " " + metric.name + " " + ablation.name;
    const ScoreResult here = scorer.score(here_, graph, pointers(examples_), spec, {});
    const ScoreResult cpu = scorer.score(cpu_, graph, pointers(examples_), spec, {});
    expect_alike(here.scores.values, cpu.scores.values, what);
    EXPECT_NEAR(here.metric, cpu.metric, kTolerance * std::max(1.0, std::fabs(cpu.metric))) << what;
  };
  const bool all = std::string(GetParam()) == "gpt2" || std::string(GetParam()) == "gemma2";
  for (const int64_t block : all ? std::vector<int64_t>{0, 7} : std::vector<int64_t>{0}) {
    const Graph graph(architecture_, KeyValueNodes::kGrouped, block);
    const Ablation& pairs = *find_ablation("counterfactual");
    for (const Scorer& scorer : scorers()) {
      // Every edge by a run of its own, or run after run of masks.
      const bool slow = scorer.name == "exact" || scorer.name == "edge-pruning";
      if (slow && block > 0) continue;
      compare(graph, scorer, find_metric("logit_diff"), pairs);
      if (slow) continue;
      for (const Ablation& ablation : ablations()) compare(graph, scorer, find_metric("log_prob"), ablation);
    }
    for (const Metric& metric : metrics()) {
      if (!metric.flat_at_clean) compare(graph, find_scorer("eap"), metric, pairs);
    }
  }
  ScoreSpec spans(find_metric("logit_diff"));
  spans.spans = {"first", "last"};
  for (Example& e : examples_) e.spans = {{"first", 0, 1}, {"last", 2, 3}};
  const Graph graph(architecture_, KeyValueNodes::kGrouped);
  const auto split = [&](const Model& model) {
    return find_scorer("eap").score(model, graph, pointers(examples_), spans, {}).spans->values;
  };
  expect_alike(split(here_), split(cpu_), "spans");
}

TEST_P(OnADevice, CircuitsRunAsOnTheCpu) {
  const Graph graph(architecture_, KeyValueNodes::kGrouped);
  Circuit some;
  for (int64_t e = 0; e < graph.n_edges(); e += 3) some.edges.push_back(e);
  for (const Ablation& ablation : ablations()) {
    ScoreSpec spec(find_metric("logit_diff"));
    spec.ablation = &ablation;
    const auto run = [&](const Model& model) {
      return run_circuits(model, graph, pointers(examples_), spec, {whole(graph), some}, {});
    };
    const auto here = run(here_);
    const auto cpu = run(cpu_);
    for (size_t c = 0; c < cpu.size(); ++c) {
      expect_alike(here[c].metric, cpu[c].metric, ablation.name);
      expect_alike(here[c].kl, cpu[c].kl, ablation.name);
    }
  }
}

TEST_P(OnADevice, NeuronsAndPatchesRunAsOnTheCpu) {
  Neurons some = no_neuron(architecture_);
  for (size_t c = 0; c < some[1].size(); c += 2) some[1][c] = true;
  ScoreSpec spec(logit_diff_metric());
  spec.ablation = find_ablation("mean");
  const auto neurons = [&](const Model& model) {
    return run_neurons(model, pointers(examples_), spec, {some}, {})[0].metric;
  };
  expect_alike(neurons(here_), neurons(cpu_), "neurons");
  const auto patched = [&](const Model& model) {
    LoadOptions options;
    options.device = model.device();
    const Model donor_model = Model::random(architecture_, 0.3, 8, options);
    const Graph graph(architecture_, KeyValueNodes::kGrouped);
    const ExampleBatch batch = make_example_batch(pointers(examples_), architecture_, model.device());
    OwnRun receiver(model, batch.tokens);
    const OwnRun donor(donor_model, batch.tokens);
    std::vector<bool> nodes(graph.n_upstream(), false);
    for (const int64_t u : {graph.head(0, 1), graph.mlp(0), graph.head(1, 2)}) nodes[u] = true;
    const at::Tensor stream = CrossPatch(graph, batch.tokens, receiver, donor).run(nodes);
    std::vector<double> values = metric_values(model, batch, spec.metric, stream);
    const at::Tensor d_final =
        spec.metric.compute(model, batch, receiver.cache.x_final, MetricGradient::kStream).d_final;
    const at::Tensor slopes = CrossPatch::first_order(graph, batch.tokens, &receiver, donor, d_final);
    values.insert(values.end(), slopes.data_ptr<double>(), slopes.data_ptr<double>() + slopes.numel());
    return values;
  };
  expect_alike(patched(here_), patched(cpu_), "patches");
}

TEST_P(OnADevice, EvaluationsAndTextAreTheCpus) {
  const TaskResult here = evaluate_task(here_, examples_, find_metric("log_prob"), 4);
  const TaskResult cpu = evaluate_task(cpu_, examples_, find_metric("log_prob"), 4);
  EXPECT_NEAR(here.metric, cpu.metric, 1e-4);
  EXPECT_NEAR(here.nll, cpu.nll, 1e-4);
  EncodedText text;
  for (int64_t i = 0; i < 40; ++i) text.ids.push_back(i % architecture_.vocab);
  text.bytes = 40;
  EXPECT_NEAR(evaluate_text(here_, text, 8, 2).nll, evaluate_text(cpu_, text, 8, 2).nll, 1e-4);
  GenerateSpec spec;
  spec.max_tokens = 5;
  const std::vector<std::vector<int64_t>> prompts{{1, 2, 3}, {4, 5}, {6}};
  const auto generated = generate(here_, prompts, spec, Rng(1));
  const auto expected = generate(cpu_, prompts, spec, Rng(1));
  for (size_t i = 0; i < prompts.size(); ++i) EXPECT_EQ(generated[i].ids, expected[i].ids);
}

// Every method, every optimiser, weights in float32 and BF16.
TEST_P(OnADevice, TuningIsTheCpus) {
  for (const TuningMethod* method : tuning_methods()) {
    for (const std::string optimizer : {"adamw", "sgd"}) {
      const auto tune = [&](at::Device device) {
        Model model = model_on(device, architecture_);
        const Graph graph(architecture_, KeyValueNodes::kGrouped);
        const SliceTable table(graph, model);
        TunerSpec spec = spec_for(optimizer, examples_);
        spec.steps = 4;
        spec.schedule.lr = 1e-3;
        spec.optimizer.epsilon = 1e-3;  // gradients that are zero but for rounding (of biases of keys) stay so
        method->shape(&spec.discovery.policy);
        TuningSettings tuning;
        Settings settings;
        tuning.declare(&settings);
        OptimizerSettings rates;
        const std::unique_ptr<Trained> trained = method->make({model, graph, table, tuning, rates}, nullptr);
        trained->begin();
        Watcher watcher;
        trained->trainer(spec)->run(0, watcher);
        std::map<std::string, at::Tensor> values;
        for (const auto& [name, t] : model.parameters()) values[name] = t.to(at::kCPU).to(at::kFloat);
        return std::pair(values, watcher.losses);
      };
      const auto [here, here_losses] = tune(fake_device());
      const auto [cpu, cpu_losses] = tune(at::kCPU);
      const std::string what = std::string(method->name()) + " " + optimizer;
      expect_alike(here_losses, cpu_losses, what);
      for (const auto& [name, t] : cpu) {
        EXPECT_LT((here.at(name) - t).abs().max().item<double>(), 1e-4) << what << " " << name;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, OnADevice, testing::Values("gpt2", "llama", "gemma2", "gpt_neox"));

// GPT-2's layers and heads, little width: launches do not depend on it.
struct StepCounts {
  FakeDeviceCounts first, later;
};
StepCounts counts_of_step(const std::string& method, int64_t every) {
  Architecture a = tiny_architecture("gpt2", 12);
  a.n_heads = a.n_kv_heads = 12;
  a.d_head = 4;
  a.d_model = 48;
  a.d_mlp = 96;
  a.n_positions = 32;
  a.vocab = 50;
  std::vector<Example> train = random_examples(a, 16);
  for (Example& e : train) {
    e.ids.resize(32, 1);
    e.counterfactual_ids.resize(32, 2);
    e.readouts = {{32, {1}, {2}, ""}};
    e.first_target = 1;
  }
  Model model = model_on(fake_device(), a);
  const Graph graph(a, KeyValueNodes::kGrouped);
  const SliceTable table(graph, model);
  TunerSpec spec = spec_for("adamw", train);
  spec.batches.batch = 16;
  spec.batches.accumulation = 1;
  spec.discovery.every = every;
  spec.discovery.policy.selection.n = 3000;
  spec.steps = 2;
  find_tuning_method(method).shape(&spec.discovery.policy);
  TuningSettings tuning;
  Settings settings;
  tuning.declare(&settings);
  OptimizerSettings rates;
  const std::unique_ptr<Trained> trained =
      find_tuning_method(method).make({model, graph, table, tuning, rates}, nullptr);
  trained->begin();
  class EveryStep : public Watcher {
   public:
    void on_step(const StepEvent& event) override {
      (event.step == 0 ? counts.first : counts.later) = fake_device_counts();
      reset_fake_device_counts();
    }
    StepCounts counts;
  } watcher;
  reset_fake_device_counts();
  trained->trainer(spec)->run(0, watcher);
  return watcher.counts;
}

std::string text_of(const FakeDeviceCounts& c) {
  std::string text = fmt::format("{} launches, {} numbers and {} tensors waited for, {} sent", c.launches, c.items,
                                 c.to_host, c.to_device);
  std::multimap<int64_t, std::string, std::greater<>> most;
  for (const auto& [name, count] : c.by_operator) most.emplace(count, name);
  for (const auto& [count, name] : most) {
    if (count >= 100) text += fmt::format("\n{:8} {}", count, name);
  }
  return text;
}

TEST(Launches, OfAStepAreBounded) {
  for (const char* method : {"circuit", "full", "lora"}) {
    const StepCounts counts = counts_of_step(method, 1);
    EXPECT_LE(counts.later.launches, 3500) << method << ", K = 1: " << text_of(counts.later);
    EXPECT_LE(counts.later.items, 5) << method;
    EXPECT_LE(counts.later.to_host, 5) << method;
  }
  // Without a discovery a step of nearly all slices waits for its loss and its gradient's length alone.
  const StepCounts plain = counts_of_step("circuit", 100);
  EXPECT_LE(plain.later.launches, 2000) << text_of(plain.later);
  EXPECT_LE(plain.later.items + plain.later.to_host, 2) << text_of(plain.later);
}

}  // namespace
}  // namespace circuit
