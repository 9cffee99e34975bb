#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <set>

#include "core/error.h"
#include "task/tiny_examples.h"
#include "tuning/trainer.h"

namespace circuit {
namespace {

std::map<std::string, at::Tensor> copy_of(const Model& model) {
  std::map<std::string, at::Tensor> copy;
  for (const auto& [name, tensor] : model.parameters()) copy[name] = tensor.clone();
  return copy;
}

class Families : public testing::TestWithParam<const char*> {};

TEST_P(Families, EverySlicesGradientIsACentralDifference) {
  LoadOptions wide;
  wide.dtype = at::kDouble;
  const Model model = Model::random(tiny_architecture(GetParam()), 0.3, 2, wide);
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const SliceTable table(graph, model);
  const std::vector<Example> examples = random_examples(model.architecture(), 5);
  const ExampleBatch batch = make_example_batch(pointers(examples), model.architecture(), at::kCPU);
  const auto loss = [&] {
    const ForwardCache run = forward(model, batch.tokens, Keep::kNothing);
    return nll_loss(model, run.x_final, batch.targets, LossGradient::kNone).nll.sum().item<double>();
  };
  SliceGradients gradients(model, table.slices());
  ForwardCache run = forward(model, batch.tokens, Keep::kBackward, {batch.targets.rows});
  gradients.add(batch.tokens, run, nll_loss(model, run.x_final, batch.targets, LossGradient::kStreamAndUnembedding), 1);
  constexpr double kEps = 1e-5;
  // Truncation error of a central difference is O(eps²) times a third derivative of order 10.
  constexpr double kTolerance = 1e-6;
  Rng rng(4);
  for (size_t i = 0; i < table.slices().size(); ++i) {
    const Slice& slice = table.slices()[i];
    ASSERT_TRUE(gradients.gradients()[i].defined()) << slice.tensor;
    ASSERT_EQ(gradients.gradients()[i].sizes(), slice_view(model, slice).sizes()) << slice.tensor;
    // Along a random direction over the whole slice: one number that every element enters.
    const at::Tensor view = slice_view(model, slice);
    at::Tensor direction = at::empty_like(view, at::MemoryFormat::Contiguous);
    for (int64_t k = 0; k < direction.numel(); ++k) direction.data_ptr<double>()[k] = rng.normal();
    const at::Tensor kept = view.clone();
    view.add_(direction, kEps);
    const double above = loss();
    view.copy_(kept).add_(direction, -kEps);
    const double below = loss();
    view.copy_(kept);
    const double expected = (above - below) / (2 * kEps);
    const double found = (gradients.gradients()[i] * direction).sum().item<double>();
    EXPECT_NEAR(found, expected, kTolerance * std::max(1.0, std::fabs(expected))) << slice.node << " " << slice.tensor;
  }
}

// A loss that reads few rows: the same gradients whether the forward knew, the backward alone, or neither.
TEST_P(Families, GradientsDoNotDependOnSkippingRowsThatNobodyReads) {
  LoadOptions wide;
  wide.dtype = at::kDouble;
  Architecture a = tiny_architecture(GetParam());
  for (const bool parallel : {false, true}) {
    a.parallel_blocks = parallel;
    const Model model = Model::random(a, 0.3, 2, wide);
    const Graph graph(a, KeyValueNodes::kGrouped);
    const SliceTable table(graph, model);
    std::vector<Example> examples = random_examples(a, 4);
    for (Example& e : examples) e.first_target = static_cast<int64_t>(e.ids.size()) - 1;
    const ExampleBatch batch = make_example_batch(pointers(examples), a, at::kCPU);
    ASSERT_EQ(batch.n_targets(), 4);
    const auto gradients = [&](const ReadRows& forward_reads, const at::Tensor& backward_reads) {
      ForwardCache run = forward(model, batch.tokens, Keep::kBackwardAndNodeOutputs, forward_reads);
      run.read_rows = backward_reads;
      SliceGradients all(model, table.slices());
      all.add(batch.tokens, run, nll_loss(model, run.x_final, batch.targets, LossGradient::kStreamAndUnembedding), 1);
      return all.gradients();
    };
    const at::Tensor rows = batch.targets.rows;
    const auto plain = gradients({}, {});
    constexpr double kTolerance = 1e-12;  // float64, sums in another order
    for (const auto& other : {gradients({rows}, rows), gradients({rows, true}, rows), gradients({}, rows)}) {
      for (size_t i = 0; i < plain.size(); ++i) {
        EXPECT_TRUE(plain[i].allclose(other[i], kTolerance, kTolerance)) << table.slices()[i].tensor;
      }
    }
  }
}

TEST_P(Families, GradientsOfSomeSlicesEqualThoseOfAll) {
  LoadOptions wide;
  wide.dtype = at::kDouble;
  const Model model = Model::random(tiny_architecture(GetParam()), 0.3, 2, wide);
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const SliceTable table(graph, model);
  const std::vector<Example> examples = random_examples(model.architecture(), 3);
  const ExampleBatch batch = make_example_batch(pointers(examples), model.architecture(), at::kCPU);
  const ForwardCache kept = forward(model, batch.tokens, Keep::kBackward);
  const Loss loss = nll_loss(model, kept.x_final, batch.targets, LossGradient::kStreamAndUnembedding);
  SliceGradients all(model, table.slices());
  ForwardCache run = kept;
  all.add(batch.tokens, run, loss, 1);
  std::vector<Slice> some;
  std::vector<size_t> chosen;
  for (size_t i = 1; i < table.slices().size(); i += 3) {
    some.push_back(table.slices()[i]);
    chosen.push_back(i);
  }
  SliceGradients part(model, some);
  run = kept;
  part.add(batch.tokens, run, loss, 1);
  constexpr double kTolerance = 1e-12;  // float64, sums in another order
  for (size_t k = 0; k < chosen.size(); ++k) {
    EXPECT_TRUE(part.gradients()[k].allclose(all.gradients()[chosen[k]], kTolerance, kTolerance)) << some[k].tensor;
  }
}

// Norms, caps and scales work in float32 in between: no step may lose or mix up a dtype.
TEST_P(Families, GradientsInBf16PointWhereThoseInFloat64Do) {
  const auto gradients = [&](at::ScalarType dtype) {
    LoadOptions options;
    options.dtype = dtype;
    const Model model = Model::random(tiny_architecture(GetParam()), 0.3, 2, options);
    const SliceTable table(Graph(model.architecture(), KeyValueNodes::kGrouped), model);
    const std::vector<Example> examples = random_examples(model.architecture(), 5);
    const ExampleBatch batch = make_example_batch(pointers(examples), model.architecture(), at::kCPU);
    ForwardCache run = forward(model, batch.tokens, Keep::kBackward);
    SliceGradients all(model, table.slices());
    all.add(batch.tokens, run, nll_loss(model, run.x_final, batch.targets, LossGradient::kStreamAndUnembedding), 1);
    std::vector<at::Tensor> flat;
    for (const at::Tensor& g : all.gradients()) {
      EXPECT_EQ(g.scalar_type(), dtype);
      flat.push_back(g.to(at::kDouble).flatten());
    }
    return at::cat(flat);
  };
  const at::Tensor wide = gradients(at::kDouble);
  const at::Tensor half = gradients(at::kBFloat16);
  const double cosine = ((wide * half).sum() / (wide.norm() * half.norm())).item<double>();
  constexpr double kLeastCosine = 0.995;  // BF16 rounds to 3 digits, and two tiny layers amplify that
  EXPECT_GT(cosine, kLeastCosine);
}

class Recorder : public TuneObserver {
 public:
  void on_discovery(const DiscoveryEvent& event) override {
    edges += static_cast<int64_t>(event.circuit.edges.size());
    sum_rule_error = std::max(sum_rule_error, event.sum_rule_error);
  }
  void on_step(const StepEvent& event) override { losses.push_back(event.loss); }
  bool after_updates(int64_t done) override { return done == stop_after; }
  int64_t edges = 0;
  int64_t stop_after = -1;
  double sum_rule_error = 0;
  std::vector<double> losses;
};

TunerSpec spec_for(const std::string& optimizer) {
  TunerSpec spec;
  spec.scorer = eap_scorer();
  spec.score.metric = logit_diff_metric();
  spec.score.ablation = Ablation::kMean;
  spec.selector = top_edges_selector();
  spec.selection.n = 6;
  spec.every = 3;
  spec.steps = 50;
  spec.batch = 3;
  spec.accumulation = 2;
  spec.clip = 0.5;
  spec.optimizer.kind = optimizer;
  spec.optimizer.weight_decay = 0.1;
  spec.schedule.lr = 0.05;
  spec.schedule.warmup = 5;
  spec.schedule.steps = 50;
  return spec;
}

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
  const Model model = Model::random(tiny_architecture(GetParam().family), 0.3, 2, {});
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped, GetParam().mlp_block);
  const SliceTable table(graph, model);
  const auto base = copy_of(model);
  const std::vector<Example> train = random_examples(model.architecture(), 20);
  SliceStore store(model, table.slices());
  Recorder recorder;
  Trainer(model, graph, table, store, train, spec_for(GetParam().optimizer)).run(0, recorder);
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
    slice_view(model, s).copy_(original);
  }
  EXPECT_GT(outside, 0);
  EXPECT_GT(changed_inside, 0);
  for (const auto& [name, tensor] : model.parameters()) {
    EXPECT_EQ(std::memcmp(tensor.data_ptr(), base.at(name).data_ptr(), tensor.nbytes()), 0) << name;
  }
}

TEST_P(Exact, TwoRunsWithOneSeedAreIdenticalAndAnotherSeedDiffers) {
  const auto run = [&](uint64_t seed) {
    const Model model = Model::random(tiny_architecture(GetParam().family), 0.3, 2, {});
    const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
    const SliceTable table(graph, model);
    const std::vector<Example> train = random_examples(model.architecture(), 20);
    SliceStore store(model, table.slices());
    Recorder recorder;
    TunerSpec spec = spec_for(GetParam().optimizer);
    spec.seed = seed;
    spec.steps = 10;
    Trainer(model, graph, table, store, train, spec).run(0, recorder);
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
    const Model model = Model::random(tiny_architecture(GetParam().family), 0.3, 2, wide);
    const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
    const SliceTable table(graph, model);
    const std::vector<Example> train = random_examples(model.architecture(), 12);
    SliceStore store(model, table.slices());
    Recorder recorder;
    TunerSpec spec = spec_for(GetParam().optimizer);
    spec.batch = batch;
    spec.accumulation = accumulation;
    spec.steps = 4;
    Trainer(model, graph, table, store, train, spec).run(0, recorder);
    return copy_of(model);
  };
  const auto one = run(6, 1);
  const auto three = run(2, 3);
  constexpr double kTolerance = 1e-9;  // float64, sums in another order, through four updates
  for (const auto& [name, tensor] : one) EXPECT_TRUE(tensor.allclose(three.at(name), kTolerance, kTolerance)) << name;
}

INSTANTIATE_TEST_SUITE_P(All, Families,
                         testing::Values("gpt2", "llama", "mistral", "qwen2", "gpt_neox", "qwen3", "gemma2",
                                         "gemma3_text", "opt"));
INSTANTIATE_TEST_SUITE_P(All, Exact,
                         testing::Values(Exactness{"gpt2", "sgd"}, Exactness{"gpt2", "adamw"},
                                         Exactness{"llama", "sgd"}, Exactness{"llama", "adamw"},
                                         Exactness{"mistral", "sgd"}, Exactness{"qwen2", "adamw"},
                                         Exactness{"gpt_neox", "sgd"}, Exactness{"gpt_neox", "adamw"},
                                         Exactness{"qwen3", "sgd"}, Exactness{"opt", "adamw"},
                                         Exactness{"gemma2", "sgd"}, Exactness{"gemma3_text", "adamw", 7},
                                         Exactness{"gpt2", "adamw", 7}, Exactness{"llama", "sgd", 2}));

TEST(Sgd, FollowsTorchsFormula) {
  OptimizerSpec spec;
  spec.momentum = 0.9;
  SliceState state;
  const at::Tensor w = at::full({1}, 1.0, at::kDouble);
  const auto step = [&](double gradient) {
    sgd().update(spec, 0.1, 0.01, w, at::full({1}, gradient, at::kDouble), &state);
  };
  // g = 2 + 0.01; m = g; w = 1 − 0.1 m
  step(2);
  EXPECT_NEAR(w.item<double>(), 1 - 0.1 * 2.01, 1e-12);
  // g = 1 + 0.01 w; m = 0.9·2.01 + g
  const double before = w.item<double>();
  step(1);
  EXPECT_NEAR(w.item<double>(), before - 0.1 * (0.9 * 2.01 + 1 + 0.01 * before), 1e-12);
}

TEST(AdamW, FirstStepMovesByTheLearningRateAndDecays) {
  OptimizerSpec spec;
  SliceState state;
  const at::Tensor w = at::full({1}, 2.0, at::kDouble);
  adamw().update(spec, 0.1, 0.01, w, at::full({1}, -3.0, at::kDouble), &state);
  // Bias-corrected, the first step is lr · g / (|g| + ε); decay is decoupled: w (1 − lr λ).
  EXPECT_NEAR(w.item<double>(), 2 * (1 - 0.1 * 0.01) + 0.1, 1e-8);
  EXPECT_EQ(state.updates, 1);
}

TEST(Schedule, WarmsUpAndNeverStartsAtZero) {
  Schedule s;
  s.lr = 1;
  s.warmup = 4;
  s.steps = 14;
  EXPECT_DOUBLE_EQ(learning_rate(s, 0), 0.25);
  EXPECT_DOUBLE_EQ(learning_rate(s, 3), 1);
  EXPECT_DOUBLE_EQ(learning_rate(s, 13), 1);
  s.kind = ScheduleKind::kLinear;
  EXPECT_DOUBLE_EQ(learning_rate(s, 4), 1);
  EXPECT_DOUBLE_EQ(learning_rate(s, 9), 0.5);
  s.kind = ScheduleKind::kCosine;
  EXPECT_NEAR(learning_rate(s, 9), 0.5, 1e-12);
  s.warmup = 0;
  EXPECT_DOUBLE_EQ(learning_rate(s, 0), 1);
}

TEST(Trainer, EpochsVisitEveryRecordOnce) {
  const Model model = Model::random(tiny_architecture("gpt2"), 0.3, 2, {});
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const SliceTable table(graph, model);
  const std::vector<Example> train = random_examples(model.architecture(), 12);
  SliceStore store(model, table.slices());
  const Trainer trainer(model, graph, table, store, train, spec_for("sgd"));  // 2 × 3 a step
  std::set<std::string> seen;
  for (const int64_t step : {0, 1}) {
    for (const auto& batch : trainer.batches_of(step)) {
      for (const Example* e : batch) seen.insert(e->place);
    }
  }
  EXPECT_EQ(seen.size(), 12u);
}

TEST(Trainer, ALossThatIsNotFiniteStopsTheRun) {
  const Model model = Model::random(tiny_architecture("gpt2"), 0.3, 2, {});
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const SliceTable table(graph, model);
  model.parameter("h.1.mlp.c_fc.weight").fill_(std::numeric_limits<double>::quiet_NaN());
  const std::vector<Example> train = random_examples(model.architecture(), 6);
  SliceStore store(model, whole_tensors(model));
  store.select({0}, SliceStore::OnReturn::kKeep);
  TunerSpec spec = spec_for("sgd");
  spec.discovers = false;
  Recorder recorder;
  try {
    Trainer(model, graph, table, store, train, spec).run(0, recorder);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("not finite"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace circuit
