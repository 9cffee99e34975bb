#include "dynamics/node_patching.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "core/error.h"
#include "graph/slices.h"
#include "intervention/per_reader.h"
#include "task/metric.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

// float64: only the order of sums differs.
constexpr double kSameRun = 1e-9;
// Of an effect of size 1, where weights moved by 1e-4: what is left of the second order.
constexpr double kSecondOrder = 2e-3;

Architecture architecture_of(const std::string& family) {
  Architecture a = tiny_architecture(family);
  // As Granite has it: what blocks write is multiplied.
  if (family == "llama") a.every_layer().residual = 0.7;
  return a;
}

bool belongs_to_a_node(const std::string& name) {
  return name.find("norm") == std::string::npos && name.find("ln_") == std::string::npos &&
         name.find("lm_head") == std::string::npos && name.find("embed_out") == std::string::npos &&
         name.find("wpe") == std::string::npos;
}

struct PatchCase {
  std::string family;
  int64_t mlp_block = 0;
};

class NodePatchingOf : public testing::TestWithParam<PatchCase> {
 protected:
  static Model random_model(uint64_t seed) {
    return Model::random(architecture_of(GetParam().family), 0.3, seed, {at::kDouble});
  }
  NodePatchingOf() {
    spec_.metric = logit_diff_metric();
    spec_.batch = 2;
  }
  // The tuned model becomes the base but for what `moves` says of a tensor's name, which moves by `share` of the way
  // to another random model.
  void tune(const std::function<bool(const std::string&)>& moves, double share = 1) {
    const Model other = random_model(4);
    for (const auto& [name, value] : base_.parameters()) {
      const at::Tensor target = tuned_.writable(name);
      target.copy_(value);
      if (moves(name)) target.add_((other.parameter(name) - value) * share);
    }
  }
  RecordValues metric(const Model& model, const at::Tensor& x_final) const {
    return metric_values(model, all_, spec_.metric, x_final);
  }
  std::vector<bool> every(bool flag) const { return std::vector<bool>(graph_.n_upstream(), flag); }

  Model base_ = random_model(3);
  Model tuned_ = random_model(3);
  Graph graph_{base_.architecture(), KeyValueNodes::kGrouped, GetParam().mlp_block};
  std::vector<Example> data_ = random_examples(base_.architecture(), 5);
  std::vector<const Example*> examples_ = pointers(data_);
  ExampleBatch all_ = make_example_batch(examples_, base_.architecture(), at::kCPU);
  ScoreSpec spec_;
};

// Of families that the run per reader knows: it has no experts and no residual factor.
class NodePatchingPerReader : public NodePatchingOf {};

// Where only what belongs to nodes was tuned, all of the gain is in them.
TEST_P(NodePatchingOf, EveryNodeAtOnceIsTheOtherModel) {
  tune(belongs_to_a_node);
  for (const auto& [name, value] : base_.parameters()) {
    // Biases of outputs, and an unembedding that is the embedding, belong to no node.
    if (value.dim() == 1) tuned_.writable(name).copy_(value);
  }
  if (base_.architecture().head.tied) tuned_.writable(base_.layout().embedding).copy_(base_.embedding());
  const PatchEffects all = patch_sets(base_, tuned_, graph_, examples_, spec_, {{every(true), every(true)}})[0];
  const RecordValues before = metric(base_, forward(base_, all_.tokens, Keep::kNothing).x_final);
  const RecordValues after = metric(tuned_, forward(tuned_, all_.tokens, Keep::kNothing).x_final);
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_GT(std::fabs(after[i] - before[i]), 1e-4);
    EXPECT_NEAR(all.lost[i], after[i] - before[i], kSameRun);
    EXPECT_NEAR(all.gained[i], after[i] - before[i], kSameRun);
  }
}

TEST_P(NodePatchingOf, NoNodeIsTheModelItself) {
  tune(belongs_to_a_node);
  const PatchEffects none = patch_sets(base_, tuned_, graph_, examples_, spec_, {{every(false), every(false)}})[0];
  for (size_t i = 0; i < none.lost.size(); ++i) {
    EXPECT_EQ(none.lost[i], 0);
    EXPECT_EQ(none.gained[i], 0);
  }
}

// The definition, node by node and reader by reader (intervention/per_reader.h).
TEST_P(NodePatchingPerReader, EqualsIt) {
  tune([](const std::string&) { return true; });  // norms, biases and unembedding too
  const NodePatching found = patch_nodes(base_, tuned_, graph_, examples_, spec_, graph_.n_upstream());
  const std::vector<bool> edges(graph_.n_edges(), true);
  const NodeOutputs unused;
  PerReaderModel of_base(base_, graph_, unused, edges);
  PerReaderModel of_tuned(tuned_, graph_, unused, edges);
  const RecordValues before = metric(base_, of_base.run(all_.tokens));
  const RecordValues after = metric(tuned_, of_tuned.run(all_.tokens));
  const std::vector<at::Tensor> base_outputs = of_base.outputs();
  const std::vector<at::Tensor> tuned_outputs = of_tuned.outputs();
  double largest = 0;
  for (int64_t node = 0; node < graph_.n_upstream(); ++node) {
    const auto instead = [&](const std::vector<at::Tensor>& given) {
      return [&given, node](int64_t u, const at::Tensor& own) { return u == node ? given[u] : own; };
    };
    of_tuned.on_write = instead(base_outputs);
    of_base.on_write = instead(tuned_outputs);
    const RecordValues lost = metric(tuned_, of_tuned.run(all_.tokens));
    const RecordValues gained = metric(base_, of_base.run(all_.tokens));
    for (size_t i = 0; i < lost.size(); ++i) {
      EXPECT_NEAR(found.exact[node].lost[i], after[i] - lost[i], kSameRun) << graph_.upstream_name(node);
      EXPECT_NEAR(found.exact[node].gained[i], gained[i] - before[i], kSameRun) << graph_.upstream_name(node);
      largest = std::max(largest, std::fabs(found.exact[node].lost[i]));
    }
  }
  EXPECT_GT(largest, 1e-3);
}

// One head's output matrix, or an MLP's: all of the gain is there, and nothing elsewhere but where it is read.
TEST_P(NodePatchingOf, OneTunedNodeCarriesEverything) {
  tune([](const std::string&) { return false; });
  const int64_t width = base_.architecture().value_width();
  const int64_t node = graph_.head(1, 2);
  const at::Tensor rows = tuned_.layers()[1].w_o.narrow(0, 2 * width, width);
  rows.neg_();
  const NodePatching found = patch_nodes(base_, tuned_, graph_, examples_, spec_, graph_.n_upstream());
  for (size_t i = 0; i < found.base.size(); ++i) {
    const double gain = found.tuned[i] - found.base[i];
    EXPECT_GT(std::fabs(gain), 1e-5);
    EXPECT_NEAR(found.exact[node].lost[i], gain, kSameRun);
    EXPECT_NEAR(found.exact[node].gained[i], gain, kSameRun);
    for (const int64_t other : {graph_.head(0, 0), graph_.mlp(0), graph_.head(1, 1)}) {
      EXPECT_EQ(found.exact[other].lost[i], 0);
      EXPECT_EQ(found.exact[other].gained[i], 0);
    }
  }
  const std::vector<double> change = node_changes(base_, tuned_, graph_);
  for (int64_t u = 0; u < graph_.n_upstream(); ++u) EXPECT_EQ(change[u] > 0, u == node) << graph_.upstream_name(u);
}

// Weights that move little: what is left of the estimate is of the second order.
TEST_P(NodePatchingOf, TheEstimateIsTheSlopeOfTheEffect) {
  tune(belongs_to_a_node, 1e-4);
  const NodePatching found = patch_nodes(base_, tuned_, graph_, examples_, spec_, graph_.n_upstream());
  double largest = 0;
  double worst = 0;
  for (int64_t u = 0; u < graph_.n_upstream(); ++u) {
    for (size_t i = 0; i < found.base.size(); ++i) {
      largest = std::max(largest, std::fabs(found.exact[u].lost[i]));
      worst = std::max({worst, std::fabs(found.exact[u].lost[i] - found.estimate[u].lost[i]),
                        std::fabs(found.exact[u].gained[i] - found.estimate[u].gained[i])});
    }
  }
  EXPECT_GT(largest, 0);
  EXPECT_LT(worst / largest, kSecondOrder);
}

TEST_P(NodePatchingOf, TheNodesOfTheLargestEstimateArePatched) {
  tune(belongs_to_a_node, 0.1);
  const NodePatching found = patch_nodes(base_, tuned_, graph_, examples_, spec_, 3);
  const auto mean = [](const RecordValues& values) { return std::accumulate(values.begin(), values.end(), 0.0); };
  std::vector<double> patched, others;
  for (int64_t u = 0; u < graph_.n_upstream(); ++u) {
    const double size = std::max(std::fabs(mean(found.estimate[u].lost)), std::fabs(mean(found.estimate[u].gained)));
    (found.exact[u].lost.empty() ? others : patched).push_back(size);
  }
  ASSERT_EQ(patched.size(), 3U);
  EXPECT_GE(*std::min_element(patched.begin(), patched.end()), *std::max_element(others.begin(), others.end()));
}

TEST_P(NodePatchingOf, DoesNotDependOnTheBatch) {
  tune(belongs_to_a_node);
  const NodePatching pairs = patch_nodes(base_, tuned_, graph_, examples_, spec_, 6);
  spec_.batch = 5;
  const NodePatching together = patch_nodes(base_, tuned_, graph_, examples_, spec_, 6);
  for (int64_t u = 0; u < graph_.n_upstream(); ++u) {
    for (size_t i = 0; i < pairs.base.size(); ++i) {
      EXPECT_NEAR(pairs.best(u).lost[i], together.best(u).lost[i], kSameRun);
      EXPECT_NEAR(pairs.estimate[u].gained[i], together.estimate[u].gained[i], kSameRun);
    }
  }
}

std::string patch_case_name(const testing::TestParamInfo<PatchCase>& each) {
  return each.param.family +
         (each.param.mlp_block > 0 ? "_blocks" + std::to_string(each.param.mlp_block) : std::string());
}

INSTANTIATE_TEST_SUITE_P(Families, NodePatchingOf,
                         testing::Values(PatchCase{"gpt2"}, PatchCase{"gpt2", 7}, PatchCase{"mistral"},
                                         PatchCase{"llama"}, PatchCase{"gpt_neox"}, PatchCase{"gemma2"},
                                         PatchCase{"gemma2", 7}, PatchCase{"gemma3_text"}, PatchCase{"qwen3_moe"}),
                         patch_case_name);
INSTANTIATE_TEST_SUITE_P(Families, NodePatchingPerReader,
                         testing::Values(PatchCase{"gpt2"}, PatchCase{"gpt2", 7}, PatchCase{"mistral"},
                                         PatchCase{"gpt_neox"}, PatchCase{"gemma2"}, PatchCase{"gemma2", 7},
                                         PatchCase{"gemma3_text"}),
                         patch_case_name);

// A head is its W_O and what its readers have; heads that share a key have it both.
TEST(NodePatching, ChangesAreOfANodeAndItsReaders) {
  const Model before = Model::random(tiny_architecture("mistral"), 0.3, 3, {at::kDouble});
  Model after = Model::random(tiny_architecture("mistral"), 0.3, 3, {at::kDouble});
  const Graph graph(before.architecture(), KeyValueNodes::kGrouped);
  double moved = 0;
  double all = 0;
  const SliceTable table(graph, before);
  for (const Slice& slice : table.slices()) {
    const double norm = slice_view(before, slice).norm().item<double>();
    if (slice.node == "a0.kv0<k>") {
      writable_slice(after, slice).neg_();
      moved = 2 * norm;
    }
    for (const char* of_h1 : {"a0.h1", "a0.h1<q>", "a0.kv0<k>", "a0.kv0<v>"}) {
      if (slice.node == of_h1) all = std::hypot(all, norm);
    }
  }
  const std::vector<double> changes = node_changes(before, after, graph);
  EXPECT_NEAR(changes[graph.head(0, 1)], moved / all, kSameRun);
  for (int64_t u = 0; u < graph.n_upstream(); ++u) {
    EXPECT_EQ(changes[u] > 0, u == graph.head(0, 0) || u == graph.head(0, 1)) << graph.upstream_name(u);
  }
}

TEST(NodePatching, RefusesAMetricThatComparesARunWithItsOwnModel) {
  const Model model = Model::random(tiny_architecture("gpt2"), 0.3, 3, {at::kDouble});
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const std::vector<Example> data = random_examples(model.architecture(), 2);
  EXPECT_THROW(patch_nodes(model, model, graph, pointers(data), ScoreSpec(kl_metric())), Error);
}

}  // namespace
}  // namespace circuit
