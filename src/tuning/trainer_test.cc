#include "tuning/trainer.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <set>

#include "core/error.h"
#include "tuning/testing.h"

namespace circuit {
namespace {

struct Exactness {
  const char* family;
  const char* optimizer;
  int64_t mlp_block = 0;
};
std::ostream& operator<<(std::ostream& out, const Exactness& e) {
  return out << e.family << "/" << e.optimizer << "/" << e.mlp_block;
}

class Exact : public testing::TestWithParam<Exactness> {};

TEST_P(Exact, NoByteOutsideTheSlicesEverSelectedChanges) {
  Model model = Model::random(tiny_architecture(GetParam().family), 0.3, 2, {});
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped, GetParam().mlp_block);
  const SliceTable table(graph, model);
  const auto base = copy_of(model);
  const std::vector<Example> train = random_examples(model.architecture(), 20);
  SliceStore store(model, table.slices());
  Watcher recorder;
  Trainer(model, graph, table, store, spec_for(GetParam().optimizer, train)).run(0, recorder);
  ASSERT_EQ(recorder.losses.size(), 50u);
  EXPECT_GT(recorder.edges, 0);
  std::set<std::string> touched;
  for (const auto& [key, tensor] : store.value_tensors()) touched.insert(key);
  int64_t outside = 0;
  int64_t changed_inside = 0;
  // Put the base back into the touched slices: what is left must be the base, byte for byte.
  for (const Slice& s : table.slices()) {
    const std::string key = fmt::format("{}[{}:{}:{}]", s.tensor, s.dim, s.start, s.start + s.length);
    if (touched.count(key) == 0) {
      ++outside;
      continue;
    }
    const at::Tensor original = base.at(s.tensor).narrow(s.dim, s.start, s.length);
    if (!slice_view(model, s).equal(original)) ++changed_inside;
    writable_slice(model, s).copy_(original);
  }
  EXPECT_GT(outside, 0);
  EXPECT_GT(changed_inside, 0);
  for (const auto& [name, tensor] : model.parameters()) {
    EXPECT_EQ(std::memcmp(tensor.data_ptr(), base.at(name).data_ptr(), tensor.nbytes()), 0) << name;
  }
}

TEST_P(Exact, TwoRunsWithOneSeedAreIdenticalAndAnotherSeedDiffers) {
  const auto run = [&](uint64_t seed) {
    Model model = Model::random(tiny_architecture(GetParam().family), 0.3, 2, {});
    const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
    const SliceTable table(graph, model);
    const std::vector<Example> train = random_examples(model.architecture(), 20);
    SliceStore store(model, table.slices());
    Watcher recorder;
    TunerSpec spec = spec_for(GetParam().optimizer, train);
    spec.batches.seed = seed;
    spec.steps = 10;
    Trainer(model, graph, table, store, spec).run(0, recorder);
    return std::pair(copy_of(model), recorder.losses);
  };
  const auto [a, losses_a] = run(1);
  const auto [b, losses_b] = run(1);
  const auto [c, losses_c] = run(2);
  EXPECT_EQ(losses_a, losses_b);
  EXPECT_NE(losses_a, losses_c);
  for (const auto& [name, tensor] : a) EXPECT_TRUE(tensor.equal(b.at(name))) << name;
}

TEST_P(Exact, AccumulationEqualsOneLargeBatch) {
  LoadOptions wide;
  wide.dtype = at::kDouble;
  const auto run = [&](int64_t batch, int64_t accumulation) {
    Model model = Model::random(tiny_architecture(GetParam().family), 0.3, 2, wide);
    const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
    const SliceTable table(graph, model);
    const std::vector<Example> train = random_examples(model.architecture(), 12);
    SliceStore store(model, table.slices());
    Watcher recorder;
    TunerSpec spec = spec_for(GetParam().optimizer, train);
    spec.batches.batch = batch;
    spec.batches.accumulation = accumulation;
    spec.steps = 4;
    Trainer(model, graph, table, store, spec).run(0, recorder);
    return copy_of(model);
  };
  const auto one = run(6, 1);
  const auto three = run(2, 3);
  constexpr double kTolerance = 1e-9;  // float64, sums in another order, through four updates
  for (const auto& [name, tensor] : one) EXPECT_TRUE(tensor.allclose(three.at(name), kTolerance, kTolerance)) << name;
}

INSTANTIATE_TEST_SUITE_P(All, Exact,
                         testing::Values(Exactness{"gpt2", "sgd"}, Exactness{"gpt2", "adamw"},
                                         Exactness{"llama", "sgd"}, Exactness{"llama", "adamw"},
                                         Exactness{"mistral", "sgd"}, Exactness{"qwen2", "adamw"},
                                         Exactness{"gpt_neox", "sgd"}, Exactness{"gpt_neox", "adamw"},
                                         Exactness{"qwen3", "sgd"}, Exactness{"opt", "adamw"},
                                         Exactness{"gemma2", "sgd"}, Exactness{"gemma3_text", "adamw", 7},
                                         Exactness{"gpt2", "adamw", 7}, Exactness{"llama", "sgd", 2}));

TEST(Batches, EpochsVisitEveryRecordOnce) {
  const std::vector<Example> train = random_examples(tiny_architecture("gpt2"), 12);
  BatchSpec spec;
  spec.train = &train;
  spec.batch = 3;
  spec.accumulation = 2;
  std::set<std::string> seen;
  for (const int64_t step : {0, 1}) {
    for (const ExampleList& batch : task_batches(spec, step)) {
      EXPECT_EQ(batch.size(), 3u);
      for (const Example* e : batch) seen.insert(e->place);
    }
  }
  EXPECT_EQ(seen.size(), 12u);
}

TEST(Batches, ReplayStandsBesideTheTaskAndDoesNotMoveIt) {
  const Architecture a = tiny_architecture("gpt2");
  const std::vector<Example> train = random_examples(a, 12);
  const std::vector<Example> text = random_examples(a, 5, 9);
  BatchSpec alone;
  alone.train = &train;
  alone.batch = 2;
  BatchSpec spec = alone;
  spec.replay = &text;
  spec.replay_records = 5;
  EXPECT_TRUE(replay_batches(alone, 0).empty());
  const std::vector<ExampleList> replayed = replay_batches(spec, 3);
  std::set<const Example*> seen;
  for (const ExampleList& part : replayed) seen.insert(part.begin(), part.end());
  EXPECT_EQ(replayed.size(), 3u);  // 2 + 2 + 1
  EXPECT_EQ(seen.size(), 5u);
  EXPECT_EQ(task_batches(spec, 3), task_batches(alone, 3));
}

TEST(Trainer, ALossThatIsNotFiniteStopsTheRun) {
  Model model = Model::random(tiny_architecture("gpt2"), 0.3, 2, {});
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const SliceTable table(graph, model);
  model.writable("h.1.mlp.c_fc.weight").fill_(std::numeric_limits<double>::quiet_NaN());
  const std::vector<Example> train = random_examples(model.architecture(), 6);
  SliceStore store(model, whole_tensors(model));
  store.select({0}, SliceStore::OnReturn::kKeep);
  Watcher recorder;
  try {
    Trainer(model, store, spec_for("sgd", train)).run(0, recorder);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("not finite"), std::string::npos) << error.what();
  }
}

Circuit every_edge(const Graph& graph) {
  Circuit all;
  for (int64_t e = 0; e < graph.n_edges(); ++e) all.edges.push_back(e);
  return all;
}

// Whole tensors of which the graph's circuits train slices: all but embeddings and norms.
std::vector<Slice> trained_tensors(const Model& model, const Graph& graph, const SliceTable& table) {
  std::set<std::string> tensors;
  for (const int64_t id : table.of_circuit(every_edge(graph), {})) tensors.insert(table[id].tensor);
  std::vector<Slice> slices;
  for (const Slice& s : whole_tensors(model)) {
    if (tensors.count(s.tensor) > 0) slices.push_back(s);
  }
  return slices;
}

// Largest difference, over the largest weight, of ten steps with every slice selected and of ten of full tuning.
double difference_from_full(const Exactness& c, at::ScalarType dtype) {
  LoadOptions options;
  options.dtype = dtype;
  const std::vector<Example> train = random_examples(tiny_architecture(c.family), 20);
  TunerSpec spec = spec_for(c.optimizer, train);
  spec.steps = 10;
  spec.discovery.every = 1;
  spec.discovery.policy.selector.select = [](const SelectionInput& input, const SelectionSpec&, Rng&) {
    return every_edge(input.graph);
  };
  Watcher watcher;
  Model circuit = Model::random(tiny_architecture(c.family), 0.3, 2, options);
  const Graph graph(circuit.architecture(), KeyValueNodes::kGrouped, c.mlp_block);
  const SliceTable table(graph, circuit);
  SliceStore slices(circuit, table.slices());
  Trainer(circuit, graph, table, slices, spec).run(0, watcher);
  Model full = Model::random(tiny_architecture(c.family), 0.3, 2, options);
  SliceStore whole(full, trained_tensors(full, graph, table));
  whole.select_all();
  Trainer(full, whole, spec).run(0, watcher);
  EXPECT_EQ(slices.current_parameters(), whole.current_parameters());
  double largest = 0;
  double difference = 0;
  for (const auto& [name, tensor] : full.parameters()) {
    largest = std::max(largest, tensor.abs().max().item<double>());
    difference = std::max(difference, (tensor - circuit.parameter(name)).abs().max().item<double>());
  }
  return difference / largest;
}

TEST_P(Exact, AllSlicesSelectedEqualsFullTuning) {
  constexpr double kTolerance = 1e-6;
  EXPECT_LE(difference_from_full(GetParam(), at::kDouble), kTolerance);
  // In float32 AdamW divides gradients that are zero but for rounding (of key biases) by themselves, so that two ways
  // of rounding part; SGD does not.
  if (std::string(GetParam().optimizer) == "sgd") {
    EXPECT_LE(difference_from_full(GetParam(), at::kFloat), kTolerance);
  }
}

struct Trained {
  std::map<std::string, at::Tensor> weights;
  std::vector<double> losses;
};

Trained train_with(const TunerSpec& spec, const char* family, at::ScalarType dtype = at::kDouble) {
  LoadOptions options;
  options.dtype = dtype;
  Model model = Model::random(tiny_architecture(family), 0.3, 2, options);
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const SliceTable table(graph, model);
  SliceStore store(model, table.slices());
  Watcher watcher;
  Trainer(model, graph, table, store, spec).run(0, watcher);
  return {copy_of(model), watcher.losses};
}

void expect_equal(const Trained& a, const Trained& b, double tolerance) {
  ASSERT_EQ(a.losses.size(), b.losses.size());
  for (size_t i = 0; i < a.losses.size(); ++i) EXPECT_NEAR(a.losses[i], b.losses[i], tolerance);
  for (const auto& [name, tensor] : a.weights)
    EXPECT_TRUE(tensor.allclose(b.weights.at(name), tolerance, tolerance)) << name;
}

constexpr double kRounding = 1e-9;  // float64, sums in another order, through a few updates

class Steps : public testing::TestWithParam<const char*> {};

// Where the metric is the loss, discovery's backward gives the weights' gradients too.
TEST_P(Steps, OneBackwardForMetricAndLossEqualsTwo) {
  const std::vector<Example> train = random_examples(tiny_architecture(GetParam()), 12);
  TunerSpec spec = spec_for("adamw", train);
  spec.discovery.score.metric = nll_metric();
  spec.batches.batch = 4;
  spec.batches.accumulation = 1;
  spec.steps = 6;
  spec.discovery.every = 2;
  const Trained one = train_with(spec, GetParam());
  spec.discovery.scorer.score_run = nullptr;  // nothing is shared
  const Trained two = train_with(spec, GetParam());
  expect_equal(one, two, kRounding);
}

TEST_P(Steps, RecomputedActivationsGiveTheSameUpdates) {
  const std::vector<Example> train = random_examples(tiny_architecture(GetParam()), 12);
  TunerSpec spec = spec_for("sgd", train);
  spec.steps = 5;
  const Trained kept = train_with(spec, GetParam());
  spec.recompute = true;
  const Trained remade = train_with(spec, GetParam());
  expect_equal(kept, remade, kRounding);
}

INSTANTIATE_TEST_SUITE_P(All, Steps,
                         testing::Values("gpt2", "llama", "mistral", "gpt_neox", "qwen3", "gemma2", "gemma3_text",
                                         "opt"));

// ‖g‖² of the regularised loss against a central difference along g, the unembedding's part included.
TEST(Trainer, TheRegularisersGradientIsItsSlope) {
  for (const char* family : {"gpt2", "gemma2"}) {
    LoadOptions wide;
    wide.dtype = at::kDouble;
    const Architecture a = tiny_architecture(family);
    const std::vector<Example> train = random_examples(a, 4);
    TunerSpec spec;
    spec.batches.train = &train;
    spec.batches.batch = 4;
    spec.steps = 1;
    spec.regulariser = 0.7;
    spec.optimizer.kind = "sgd";
    spec.optimizer.momentum = 0;
    Watcher watcher;
    const auto loss_after = [&](double lr) {
      Model model = Model::random(a, 0.3, 2, wide);
      SliceStore store(model, whole_tensors(model));
      store.select_all();
      TunerSpec moving = spec;
      moving.steps = 2;
      moving.schedule.lr = lr;
      Watcher both;
      Trainer(model, store, moving).run(0, both);
      return both.losses[1];
    };
    Model model = Model::random(a, 0.3, 2, wide);
    SliceStore store(model, whole_tensors(model));
    store.select_all();
    class Norm : public TuneObserver {
     public:
      void on_discovery(const DiscoveryEvent&) override {}
      void on_step(const StepEvent& event) override { gradient = event.norms.gradient; }
      bool after_updates(int64_t) override { return true; }
      double gradient = 0;
    } norm;
    Trainer(model, store, spec).run(0, norm);
    constexpr double kEps = 1e-6;
    // The batch is the whole data, so that both steps see the same loss.
    const double slope = (loss_after(-kEps) - loss_after(kEps)) / (2 * kEps);
    constexpr double kTolerance = 1e-5;  // truncation, O(eps²) times third derivatives
    EXPECT_NEAR(slope / (norm.gradient * norm.gradient), 1, kTolerance) << family;
  }
}

TEST(Trainer, ALossAboveTheBoundStopsTheRunAndShowsItsRecords) {
  Model model = Model::random(tiny_architecture("gpt2"), 0.3, 2, {});
  const std::vector<Example> train = random_examples(model.architecture(), 6);
  SliceStore store(model, whole_tensors(model));
  store.select_all();
  TunerSpec spec = spec_for("sgd", train);
  spec.max_loss = 0.01;
  class Failure : public Watcher {
   public:
    void on_failure(const FailedStep& failure) override {
      step = failure.step;
      records = failure.examples.size();
    }
    int64_t step = -1;
    size_t records = 0;
  } watcher;
  const auto before = copy_of(model);
  EXPECT_THROW(Trainer(model, store, spec).run(0, watcher), Error);
  EXPECT_EQ(watcher.step, 0);
  EXPECT_EQ(watcher.records, 6u);
  EXPECT_TRUE(watcher.losses.empty());
  for (const auto& [name, tensor] : before) EXPECT_TRUE(tensor.equal(model.parameter(name))) << name;
}

}  // namespace
}  // namespace circuit
