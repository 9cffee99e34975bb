#include "tuning/general_text.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "tuning/lora_store.h"
#include "tuning/null_space.h"
#include "tuning/testing.h"

namespace circuit {
namespace {

LoadOptions doubles() {
  LoadOptions options;
  options.dtype = at::kDouble;
  return options;
}

constexpr int64_t kReadWindows = 6;
constexpr double kShare = 0.8;

// Rows of input that each tensor has of the base, whole or with only some of the inputs, as the backward shows them.
class SeenInputs : public WeightSink {
 public:
  bool wants(const std::string&) const override { return true; }
  void linear(const TensorRef& ref, Units, int64_t first, const at::Tensor& input, const at::Tensor&) override {
    rows[ref.tensor].emplace_back(first, input.clone());
  }
  void vector(const std::string&, int64_t, const at::Tensor&) override {}
  void lookup(const std::string&, const at::Tensor&, const at::Tensor&) override {}
  void block(const std::string&, int64_t, int64_t, const at::Tensor&) override {}
  void whole(const std::string&, const at::Tensor&) override {}
  std::map<std::string, std::vector<std::pair<int64_t, at::Tensor>>> rows;
};

struct SparedRun {
  explicit SparedRun(const std::string& family)
      : model(Model::random(tiny_architecture(family), 0.3, 2, doubles())),
        graph(model.architecture(), KeyValueNodes::kGrouped, 0),
        table(graph, model),
        base(copy_of(model)),
        train(random_examples(model.architecture(), 20)),
        text(random_examples(model.architecture(), 3, 77)),
        spec(spec_for("adamw", train)) {
    spec.steps = 4;
    spec.batches.replay = &text;
    spec.general_windows = kReadWindows;
    spec.null_space = kShare;
    spec.optimizer.weight_decay = 0.1;
    read_general(
        model, {text, kReadWindows, 0, 0, false}, [&](int64_t) -> WeightSink& { return seen; }, [](int64_t) {});
  }
  // What the change of `tensor` does to the rows that general text gives it, beside what it does to any rows.
  double felt(const std::string& tensor, bool transposed, const at::Tensor& directions) {
    const at::Tensor change = model.parameter(tensor) - base.at(tensor);
    const at::Tensor map = transposed ? change.t() : change;
    return (at::mm(directions.t(), map).norm() / map.norm()).item<double>();
  }
  Model model;
  Graph graph;
  SliceTable table;
  std::map<std::string, at::Tensor> base;
  std::vector<Example> train, text;
  TunerSpec spec;
  SeenInputs seen;
};

class NullSpace : public testing::TestWithParam<const char*> {};

TEST_P(NullSpace, NoUpdateReachesTheDirectionsThatGeneralTextUses) {
  SparedRun run(GetParam());
  run.spec.discovery.every = 100;
  SliceStore store(run.model, run.table.slices());
  Watcher watcher;
  Trainer(run.model, run.graph, run.table, store, run.spec).run(0, watcher);
  std::map<std::string, at::Tensor> directions;
  for (const auto& [name, tensor] : store.state_tensors()) {
    const size_t end = name.rfind(".spared");
    if (end != std::string::npos) directions[name.substr(0, end)] = tensor;
  }
  ASSERT_FALSE(directions.empty());
  int64_t moved = 0;
  for (const auto& [key, value] : store.value_tensors()) {
    const Slice* slice = nullptr;
    for (const Slice& s : run.table.slices()) {
      if (fmt::format("{}[{}:{}:{}]", s.tensor, s.dim, s.start, s.start + s.length) == key) slice = &s;
    }
    ASSERT_NE(slice, nullptr) << key;
    const at::Tensor before = run.base.at(slice->tensor).narrow(slice->dim, slice->start, slice->length);
    const at::Tensor change = slice_view(run.model, *slice) - before;
    const bool own = directions.count(key) > 0;
    if (!own && directions.count(slice->tensor) == 0) {
      EXPECT_TRUE(slice_view(run.model, *slice).equal(before)) << key << " is no map of inputs";
      continue;
    }
    const at::Tensor u = own ? directions[key] : directions[slice->tensor];
    const int64_t dim = own ? slice->dim : 1 - slice->dim;
    EXPECT_LT((at::mm(u.t(), u) - at::eye(u.size(1), u.options())).abs().max().item<double>(), 1e-9) << key;
    // The fewest of the strongest that hold the share of what general text gives.
    double all = 0;
    double held = 0;
    double without_last = 0;
    for (const auto& [first, rows] : run.seen.rows.at(slice->tensor)) {
      const at::Tensor x = own ? rows.narrow(1, slice->start - first, slice->length) : rows;
      all += x.square().sum().item<double>();
      held += at::mm(x, u).square().sum().item<double>();
      without_last += at::mm(x, u.narrow(1, 0, u.size(1) - 1)).square().sum().item<double>();
    }
    EXPECT_GE(held, kShare * all * (1 - 1e-9)) << key;
    EXPECT_LT(without_last, kShare * all) << key;
    const at::Tensor map = dim == 0 ? change : change.t();
    EXPECT_LT(at::mm(u.t(), map).norm().item<double>(), 1e-9) << key;
    moved += change.norm().item<double>() > 1e-3 ? 1 : 0;
  }
  EXPECT_GT(moved, 3);
}

// Of a tensor whose slices come in one after the other all have the directions of the first.
TEST_P(NullSpace, SlicesThatComeInLaterAreKeptOffToo) {
  SparedRun run(GetParam());
  run.spec.discovery.every = 1;
  run.spec.steps = 6;
  SliceStore store(run.model, run.table.slices());
  Watcher watcher;
  Trainer(run.model, run.graph, run.table, store, run.spec).run(0, watcher);
  int64_t tensors = 0;
  for (const auto& [name, u] : store.state_tensors()) {
    const size_t end = name.rfind(".spared");
    if (end == std::string::npos || name.find('[') != std::string::npos) continue;
    const std::string tensor = name.substr(0, end);
    const auto slice = std::find_if(run.table.slices().begin(), run.table.slices().end(),
                                    [&](const Slice& one) { return one.tensor == tensor; });
    EXPECT_LT(run.felt(tensor, slice->dim == 0, u), 1e-9) << tensor;
    ++tensors;
  }
  EXPECT_GT(tensors, 2);
}

TEST_P(NullSpace, AdaptersAreKeptOffThemToo) {
  SparedRun run(GetParam());
  LoraSpec spec;
  spec.rank = 3;
  LoraStore store(run.model, spec);
  Watcher watcher;
  Trainer(run.model, store, run.spec).run(0, watcher);
  int64_t moved = 0;
  for (const LoraStore::Adapter& x : store.adapters()) {
    ASSERT_TRUE(x.protection);
    EXPECT_LT(run.felt(x.layer.tensor, x.layer.transposed, x.protection->directions), 1e-9) << x.layer.tensor;
    moved += x.b.norm().item<double>() > 1e-3 ? 1 : 0;
  }
  EXPECT_EQ(moved, static_cast<int64_t>(store.adapters().size()));
}

TEST_P(NullSpace, AnAdapterOfSomeInputsStaysOnThem) {
  SparedRun run(GetParam());
  const std::vector<Slice> some{run.table.slices().begin(), run.table.slices().begin() + 3};
  const AdapterReaches reaches = reach_of(run.model, some);
  ASSERT_FALSE(reaches.empty());
  LoraStore store(run.model, LoraSpec(), &reaches);
  Watcher watcher;
  Trainer(run.model, store, run.spec).run(0, watcher);
  for (const LoraStore::Adapter& x : store.adapters()) {
    if (!x.a_mask.defined()) continue;
    EXPECT_EQ((x.a * (1 - x.a_mask)).abs().max().item<double>(), 0) << x.layer.tensor;
  }
}

INSTANTIATE_TEST_SUITE_P(All, NullSpace, testing::Values("gpt2", "llama", "gpt_neox", "gemma3_text", "opt"));

TEST(AdamW, CurvatureStandsUnderTheRootBesideTheSecondMoment) {
  OptimizerSpec spec;
  spec.curvature = 2;
  for (const bool together : {false, true}) {
    SliceState state;
    state.general = at::full({1, 1}, 8.0, at::kDouble);
    const at::Tensor w = at::full({1, 1}, 2.0, at::kDouble);
    const at::Tensor g = at::full({1, 1}, -3.0, at::kDouble);
    if (together) {
      w.add_(adamw().changes(spec, {{{0.1, 0}, w, g, &state}})[0]);
    } else {
      adamw().update(spec, {0.1, 0}, w, g, &state);
    }
    // Bias-corrected: lr g / (√(g² + κ F) + ε), with √(9 + 16) = 5.
    EXPECT_NEAR(w.item<double>(), 2 + 0.1 * 3 / 5, 1e-8) << together;
  }
}

TEST(Curvature, IsTheMeanOfSquaredSlopesOverWindows) {
  for (const bool adapters : {false, true}) {
    SparedRun run("llama");
    run.spec.null_space = 0;
    run.spec.optimizer.curvature = 1e-3;
    run.spec.steps = 1;
    run.spec.general_windows = 1;
    // One window can only be the first text's.
    run.text.resize(1);
    Model probe = Model::random(tiny_architecture("llama"), 0.3, 2, doubles());
    SliceStore slices(run.model, run.table.slices());
    LoraStore lora(run.model, LoraSpec());
    Watcher watcher;
    if (adapters) {
      Trainer(run.model, lora, run.spec).run(0, watcher);
    } else {
      Trainer(run.model, run.graph, run.table, slices, run.spec).run(0, watcher);
    }
    const ExampleBatch batch = make_example_batch({&run.text[0]}, probe.architecture(), at::kCPU);
    const auto loss = [&] {
      const ForwardCache forwarded = forward(probe, batch.tokens, Keep::kNothing);
      return nll_loss(probe, forwarded.x_final, batch.targets, LossGradient::kNone).nll.mean().item<double>();
    };
    constexpr double kEps = 1e-5;
    int64_t checked = 0;
    const auto expect_square = [&](const at::Tensor& value, double found) {
      value.add_(kEps);
      const double up = loss();
      value.sub_(2 * kEps);
      const double slope = (up - loss()) / (2 * kEps);
      value.add_(kEps);
      EXPECT_NEAR(found, slope * slope, 1e-6 + 1e-4 * slope * slope);
      checked += slope * slope > 1e-5 ? 1 : 0;
    };
    if (adapters) {
      // ∂/∂B is (α/r) ∂/∂W Aᵀ: B[0, 0] moves W's first output along A's first row.
      for (const LoraStore::Adapter& x : lora.adapters()) {
        const at::Tensor w = probe.writable(x.layer.tensor);
        LoraStore first(run.model, LoraSpec());
        const at::Tensor a = first.adapters()[&x - lora.adapters().data()].a[0];
        const at::Tensor row = x.layer.transposed ? w[0] : w.select(1, 0);
        const at::Tensor kept = row.clone();
        row.add_(a, kEps * lora.scale());
        const double up = loss();
        row.copy_(kept).sub_(a, kEps * lora.scale());
        const double slope = (up - loss()) / (2 * kEps);
        row.copy_(kept);
        EXPECT_NEAR(x.b_state.general[0][0].item<double>(), slope * slope, 1e-6 + 1e-4 * slope * slope);
        checked += slope * slope > 1e-5 ? 1 : 0;
      }
    } else {
      std::map<std::string, at::Tensor> states;
      for (const auto& [name, tensor] : slices.state_tensors()) states[name] = tensor;
      for (const int64_t id : slices.current()) {
        const Slice& s = run.table[id];
        const std::string key = fmt::format("{}[{}:{}:{}].general", s.tensor, s.dim, s.start, s.start + s.length);
        ASSERT_EQ(states.count(key), 1u) << key;
        at::Tensor first = writable_slice(probe, s);
        while (first.dim() > 0) first = first[0];
        expect_square(first, states[key].flatten()[0].item<double>());
      }
    }
    EXPECT_GT(checked, 2) << adapters;
  }
}

}  // namespace
}  // namespace circuit
