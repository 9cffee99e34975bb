#include "scoring/channels.h"
#include "scoring/edge_accumulator.h"
#include "scoring/exact.h"
#include "scoring/gradient_methods.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>

#include "core/error.h"
#include "intervention/circuit_run.h"
#include "io/json.h"
#include "model/checkpoint.h"
#include "scoring/testing.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

// The reference's own error (central differences, eps 1e-4) and float32 stay far below.
constexpr double kKnownAnswerTolerance = 1e-3;  // of the largest score
// float32 sums in another order.
constexpr double kInvarianceTolerance = 1e-5;  // of the largest score
constexpr double kSumRuleTolerance = 1e-4;

class KnownAnswers : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(KnownAnswers, EveryEdgeAgrees) {
  const auto [model_name, file] = GetParam();
  const fs::path data = fs::path(CIRCUIT_SOURCE_DIR) / "../shared/data";
  if (!fs::exists(data)) GTEST_SKIP() << "../shared is absent";
  const Model model = Model::load(Checkpoint::open((data / "models" / model_name).string()), {});
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const Json reference = read_json((data / "known-answers" / file).string());
  std::vector<Example> examples;
  for (const Json& e : reference.at("examples")) {
    Example x;
    x.ids = e.at("clean_ids").get<std::vector<int64_t>>();
    x.counterfactual_ids = e.at("corrupted_ids").get<std::vector<int64_t>>();
    x.readouts.push_back({static_cast<int64_t>(x.ids.size()), {e.at("answer_id")}, {e.at("wrong_id")}, ""});
    examples.push_back(x);
  }
  // The reference's fields, per method. Its fields are corrupted − clean; ours are clean − corrupted. Its k and
  // v are per query head.
  const std::pair<const char*, const char*> methods[] = {
      {"eap", "eap"}, {"eap-ig-inputs", "eap_ig"}, {"exact", "exact"}};
  ScoreSpec spec;
  spec.metric = logit_diff_metric();
  for (const auto& [method, field] : methods) {
    SCOPED_TRACE(method);
    const ScoreResult result = find_scorer(method).score(model, graph, pointers(examples), spec, {});
    ASSERT_EQ(static_cast<int64_t>(reference.at("edges").size()), graph.n_edges());
    EXPECT_NEAR(result.metric, reference.at("metric_clean_mean").get<double>(), 1e-4);
    const double scale = largest(result.scores);
    for (const Json& edge : reference.at("edges")) {
      const auto id = graph.find_edge(edge.at("name").get<std::string>());
      ASSERT_TRUE(id.has_value()) << edge.at("name");
      EXPECT_NEAR(result.scores.values[*id], -edge.at(field).get<double>(), kKnownAnswerTolerance * scale)
          << edge.at("name");
    }
    EXPECT_LT(result.sum_rule_error, kSumRuleTolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, KnownAnswers,
                         testing::Values(std::pair("gpt-nano-sort", "eap_reference_nano.json"),
                                         std::pair("slm-4096", "eap_reference_slm.json")));

// More layers than one chunk of the contraction holds.
constexpr int64_t kLayers = 5;

struct Case {
  const char* family;
  const Ablation* ablation;
  Positions positions;
  const char* metric;
  const char* method = "eap";
  int64_t mlp_block = 0;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.family << "/" << c.ablation->name << "/" << positions_name(c.positions) << "/" << c.metric << "/"
             << c.method << "/" << c.mlp_block;
}

class Properties : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    spec_.metric = find_metric(GetParam().metric);
    spec_.ablation = GetParam().ablation;
    spec_.positions = GetParam().positions;
    examples_ = random_examples(model_.architecture(), 9);
  }
  Graph graph(KeyValueNodes form) const { return Graph(model_.architecture(), form, GetParam().mlp_block); }
  ScoreResult score(const std::vector<Example>& examples, const ScoreSpec& spec, const Graph& graph) const {
    return find_scorer(GetParam().method).score(model_, graph, pointers(examples), spec, {});
  }
  ScoreResult score(const std::vector<Example>& examples, const ScoreSpec& spec, KeyValueNodes form) const {
    return score(examples, spec, graph(form));
  }
  Model model_ = Model::random(tiny_architecture(GetParam().family, kLayers), 0.3, 3, {});
  ScoreSpec spec_;
  std::vector<Example> examples_;
};

TEST_P(Properties, SumRuleHolds) {
  EXPECT_LT(score(examples_, spec_, KeyValueNodes::kGrouped).sum_rule_error, kSumRuleTolerance);
}

TEST_P(Properties, DoNotDependOnPaddingBatchSizeOrderOrTile) {
  const ScoreResult base = score(examples_, spec_, KeyValueNodes::kGrouped);
  const double tolerance = kInvarianceTolerance * largest(base.scores);
  ASSERT_GT(largest(base.scores), 0);
  // One example at a time means no padding at all; the whole set means the most.
  for (const int64_t batch : {1, 4, 9}) {
    for (const int64_t tile : {1, 7, 64}) {
      ScoreSpec spec = spec_;
      spec.batch = batch;
      spec.tile_tokens = tile;
      EXPECT_LT(largest_difference(base.scores, score(examples_, spec, KeyValueNodes::kGrouped).scores), tolerance)
          << "batch " << batch << " tile " << tile;
    }
  }
  std::vector<Example> reversed(examples_.rbegin(), examples_.rend());
  EXPECT_LT(largest_difference(base.scores, score(reversed, spec_, KeyValueNodes::kGrouped).scores), tolerance);
}

TEST_P(Properties, GroupedKeyValueScoresAreTheSumOfTheirHeads) {
  const Graph grouped = graph(KeyValueNodes::kGrouped);
  const Graph ungrouped = graph(KeyValueNodes::kUngrouped);
  const EdgeScores a = score(examples_, spec_, KeyValueNodes::kGrouped).scores;
  const EdgeScores b = score(examples_, spec_, KeyValueNodes::kUngrouped).scores;
  const int64_t per_kv = model_.architecture().heads_per_kv();
  EdgeScores summed{std::vector<float>(grouped.n_edges())};
  for (int64_t id = 0; id < ungrouped.n_edges(); ++id) {
    const Edge e = ungrouped.edge(id);
    const GraphNode node = ungrouped.downstream(e.downstream);
    int64_t v = grouped.logits();
    if (node.is(kQueryNode)) v = grouped.query(node.layer, node.index);
    if (node.is(kKeyNode)) v = grouped.key(node.layer, node.index / per_kv);
    if (node.is(kValueNode)) v = grouped.value(node.layer, node.index / per_kv);
    if (node.is(kMlpReader)) v = grouped.mlp_in(node.layer, node.index);
    summed.values[grouped.edge_id(e.upstream, v)] += b.values[id];
  }
  EXPECT_LT(largest_difference(a, summed), kInvarianceTolerance * largest(a));
}

// An MLP's output is the sum of its blocks', and so is what it reads.
TEST_P(Properties, AnMlpScoresTheSumOfItsBlocks) {
  const Graph whole(model_.architecture(), KeyValueNodes::kGrouped);
  const Graph split(model_.architecture(), KeyValueNodes::kGrouped, 2);
  const EdgeScores a = score(examples_, spec_, whole).scores;
  const EdgeScores b = score(examples_, spec_, split).scores;
  EdgeScores summed{std::vector<float>(whole.n_edges())};
  for (int64_t id = 0; id < split.n_edges(); ++id) {
    const Edge e = split.edge(id);
    const GraphNode from = split.upstream(e.upstream);
    const GraphNode to = split.downstream(e.downstream);
    int64_t u = 0;
    if (from.is(kHeadNode)) u = whole.head(from.layer, from.index);
    if (from.is(kMlpNode)) u = whole.mlp(from.layer);
    int64_t v = whole.logits();
    if (to.is(kQueryNode)) v = whole.query(to.layer, to.index);
    if (to.is(kKeyNode)) v = whole.key(to.layer, to.index);
    if (to.is(kValueNode)) v = whole.value(to.layer, to.index);
    if (to.is(kMlpReader)) v = whole.mlp_in(to.layer);
    summed.values[whole.edge_id(u, v)] += b.values[id];
  }
  EXPECT_LT(largest_difference(a, summed), kInvarianceTolerance * largest(a));
}

TEST_P(Properties, PairsOfSpansAddUpToTheScore) {
  std::vector<Example> examples = examples_;
  for (Example& e : examples) {
    const auto last = static_cast<int64_t>(e.ids.size()) - 1;
    e.spans = {{"head", 0, 1}, {"tail", last, last}};
  }
  ScoreSpec spec = spec_;
  spec.spans = span_names(pointers(examples));
  ASSERT_EQ(spec.spans, (std::vector<std::string>{"head", "tail", "rest"}));
  const Graph g = graph(KeyValueNodes::kGrouped);
  const ScoreResult whole = score(examples, spec_, g);
  const ScoreResult split = score(examples, spec, g);
  EXPECT_LT(largest_difference(whole.scores, split.scores), kInvarianceTolerance * largest(whole.scores));
  ASSERT_TRUE(split.spans.has_value());
  double before = 0;  // what is read in the tail for queries before it
  for (int64_t e = 0; e < g.n_edges(); ++e) {
    double sum = 0;
    for (int64_t where = 0; where < 3; ++where) {
      for (int64_t whom = 0; whom < 3; ++whom) sum += split.spans->at(e, where, whom);
    }
    EXPECT_NEAR(sum, whole.scores.values[e], kInvarianceTolerance * largest(whole.scores));
    before +=
        std::fabs(split.spans->at(e, 1, 0)) + std::fabs(split.spans->at(e, 1, 2)) + std::fabs(split.spans->at(e, 2, 0));
  }
  EXPECT_EQ(before, 0);
}

// A discovery is given a const model; a tensor is a handle all the same, so that only its bytes can tell.
TEST_P(Properties, LeaveEveryParameterAsItWas) {
  std::map<std::string, at::Tensor> before;
  for (const auto& [name, tensor] : model_.parameters()) before[name] = tensor.clone();
  score(examples_, spec_, KeyValueNodes::kGrouped);
  const Graph whole = graph(KeyValueNodes::kGrouped);
  const auto ablated = spec_.ablation->prepare(model_, pointers(examples_), 4, mlp_form(whole));
  const ExampleBatch batch = make_example_batch(pointers(examples_), model_.architecture(), at::kCPU);
  const NodeOutputs outputs = ablated->of(pointers(examples_), batch);
  CircuitRunner(model_, whole, batch.tokens, outputs).run(std::vector<bool>(whole.n_edges(), true));
  for (const auto& [name, tensor] : model_.parameters()) EXPECT_TRUE(tensor.equal(before.at(name))) << name;
}

// The definition itself: perturb one reader's own copy of the stream. Here through the residual stream as a
// whole: moving every reader of node u at once moves M by the sum of its edges (finite difference, float64).
class FiniteDifferences : public Properties {};

TEST_P(FiniteDifferences, GiveTheNodeScores) {
  LoadOptions wide;
  wide.dtype = at::kDouble;
  Model model = Model::random(tiny_architecture(GetParam().family, kLayers), 0.3, 3, wide);
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const ScoreResult result = find_scorer("eap").score(model, graph, pointers(examples_), spec_, {});
  constexpr double kEps = 1e-6;
  constexpr double kLimit = 1e-6;
  const auto mean_metric = [&] {
    double sum = 0;
    const ExampleBatch batch = make_example_batch(pointers(examples_), model.architecture(), at::kCPU);
    const ForwardCache run = forward(model, batch.tokens, Keep::kNothing);
    for (const double m : spec_.metric.compute(model, batch, run.x_final, MetricGradient::kNone).values) sum += m;
    return sum / static_cast<double>(batch.examples);
  };
  // Scaling W_O[h] by 1 − ε removes ε A_u from the stream for every reader: dM/dε = −Σ_v S(u→v).
  for (int64_t l = 0; l < graph.n_layers(); ++l) {
    for (int64_t h = 0; h < graph.n_heads(); ++h) {
      double total = 0;
      for (int64_t v = 0; v < graph.n_downstream(); ++v) {
        if (graph.head(l, h) < graph.visible(v)) total += result.scores.values[graph.edge_id(graph.head(l, h), v)];
      }
      const TensorRef& w_o = model.layout().layers[l].w_o;
      at::Tensor w = model.writable(w_o.tensor).narrow(w_o.unit_dim, w_o.first + h * w_o.stride, w_o.unit);
      const at::Tensor kept = w.clone();
      w.mul_(1 + kEps);
      const double above = mean_metric();
      w.copy_(kept).mul_(1 - kEps);
      const double below = mean_metric();
      w.copy_(kept);
      EXPECT_NEAR(total, (above - below) / (2 * kEps), kLimit * std::max(1.0, std::fabs(total)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, Properties,
    testing::Values(Case{"gpt2", find_ablation("counterfactual"), Positions::kAll, "logit_diff"},
                    Case{"gpt2", find_ablation("mean"), Positions::kAll, "prob_diff"},
                    Case{"gpt2", find_ablation("mean"), Positions::kReadout, "logit_diff"},
                    Case{"gpt2", find_ablation("zero"), Positions::kAll, "nll"},
                    Case{"llama", find_ablation("counterfactual"), Positions::kReadout, "prob_diff"},
                    Case{"llama", find_ablation("mean"), Positions::kAll, "nll"},
                    Case{"llama", find_ablation("zero"), Positions::kAll, "logit_diff"},
                    Case{"gpt2", find_ablation("counterfactual"), Positions::kAll, "prob_diff", "eap-ig-inputs"},
                    Case{"llama", find_ablation("mean"), Positions::kReadout, "logit_diff", "eap-ig-inputs"},
                    Case{"gpt2", find_ablation("mean"), Positions::kAll, "nll", "clean-corrupted"},
                    Case{"llama", find_ablation("counterfactual"), Positions::kAll, "logit_diff", "clean-corrupted"},
                    Case{"gpt2", find_ablation("counterfactual"), Positions::kAll, "logit_diff", "eap-ig-activations"},
                    Case{"llama", find_ablation("mean"), Positions::kReadout, "log_prob", "eap-ig-activations", 7},
                    Case{"gpt_neox", find_ablation("zero"), Positions::kAll, "nll", "eap-ig-activations"},
                    Case{"gpt2", find_ablation("mean"), Positions::kAll, "prob_diff", "eap-ig-activations-own", 7},
                    Case{"llama", find_ablation("counterfactual"), Positions::kAll, "kl", "eap-ig-activations-own"},
                    Case{"gpt2", find_ablation("counterfactual"), Positions::kAll, "kl", "eap-ig-inputs", 7},
                    Case{"gpt2", find_ablation("mean"), Positions::kAll, "log_prob", "eap", 2},
                    Case{"llama", find_ablation("mean"), Positions::kAll, "nll", "eap", 7},
                    Case{"llama", find_ablation("counterfactual"), Positions::kReadout, "logit_diff", "eap", 1},
                    Case{"gpt_neox", find_ablation("mean"), Positions::kAll, "logit_diff", "eap", 7},
                    Case{"gpt2", find_ablation("counterfactual"), Positions::kAll, "log_prob", "relp"},
                    Case{"llama", find_ablation("mean"), Positions::kAll, "prob_diff", "relp", 7},
                    Case{"gpt2", find_ablation("counterfactual"), Positions::kAll, "log_prob", "gim"},
                    Case{"llama", find_ablation("mean"), Positions::kAll, "prob_diff", "gim", 7},
                    Case{"mistral", find_ablation("mean"), Positions::kAll, "logit_diff"},
                    Case{"qwen2", find_ablation("counterfactual"), Positions::kAll, "logit_diff"},
                    Case{"gpt_neox", find_ablation("counterfactual"), Positions::kReadout, "logit_diff"},
                    Case{"gpt_neox", find_ablation("mean"), Positions::kAll, "nll"},
                    Case{"qwen3", find_ablation("counterfactual"), Positions::kAll, "prob_diff"},
                    Case{"gemma2", find_ablation("counterfactual"), Positions::kAll, "logit_diff"},
                    Case{"gemma2", find_ablation("mean"), Positions::kReadout, "log_prob", "eap", 7},
                    Case{"gemma2", find_ablation("zero"), Positions::kAll, "prob_diff", "eap-ig-activations", 7},
                    Case{"gemma3_text", find_ablation("mean"), Positions::kAll, "nll", "eap-ig-inputs"},
                    Case{"qwen3", find_ablation("mean"), Positions::kReadout, "nll"},
                    Case{"opt", find_ablation("mean"), Positions::kAll, "logit_diff"}));

// One ablation and all positions suffice: the rest is linear in them.
INSTANTIATE_TEST_SUITE_P(Cases, FiniteDifferences,
                         testing::Values(Case{"gpt2", find_ablation("zero"), Positions::kAll, "nll"},
                                         Case{"gpt2", find_ablation("zero"), Positions::kAll, "prob_diff"},
                                         Case{"llama", find_ablation("zero"), Positions::kAll, "logit_diff"},
                                         Case{"mistral", find_ablation("zero"), Positions::kAll, "nll"},
                                         Case{"qwen2", find_ablation("zero"), Positions::kAll, "nll"},
                                         Case{"gpt_neox", find_ablation("zero"), Positions::kAll, "nll"},
                                         Case{"qwen3", find_ablation("zero"), Positions::kAll, "nll"},
                                         Case{"opt", find_ablation("zero"), Positions::kAll, "nll"}));

TEST(Spans, CalledRestAreTheRest) {
  Example e;
  e.ids = {1, 2, 3};
  e.spans = {{"rest", 0, 0}, {"verb", 1, 1}};
  const std::vector<std::string> names = span_names({&e});
  EXPECT_EQ(names, (std::vector<std::string>{"verb", "rest"}));
  const at::Tensor labels = span_labels({&e}, names);
  EXPECT_EQ(std::vector<int64_t>(labels.data_ptr<int64_t>(), labels.data_ptr<int64_t>() + 3),
            (std::vector<int64_t>{1, 0, 1}));
}

}  // namespace
}  // namespace circuit
