// Every family against transformers: tests/families holds tiny models with what transformers made of them
// (tools/family_fixtures.py). With CIRCUIT_UPDATE_DOCS=1 the table of docs/models.md is written from what was found.
#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "core/rng.h"
#include "graph/slices.h"
#include "intervention/circuit_run.h"
#include "io/files.h"
#include "model/generate.h"
#include "scoring/scorer.h"
#include "tuning/gradients.h"
#include "tuning/lora_store.h"
#include "tuning/slice_store.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

// Of the logits' spread; of the largest gradient of a tensor's model; of the largest score: float32's rounding over
// some hundred operations.
constexpr double kLogitTolerance = 1e-5;
constexpr double kGradientTolerance = 1e-4;
constexpr double kScoreTolerance = 1e-4;
// BF16 has eight bits: a rounding is 2⁻⁹ of a value. An expert that is chosen by a hair may be another one.
constexpr double kBf16Share = 3;
constexpr double kBf16Least = 1.0 / 256;

// CIRCUIT_FAMILY_FIXTURES: others than the repository's, such as those of another transformers.
std::string folder_of_fixtures() {
  const char* other = std::getenv("CIRCUIT_FAMILY_FIXTURES");
  return other != nullptr ? other : std::string(CIRCUIT_SOURCE_DIR) + "/tests/families";
}

std::vector<std::string> fixtures() {
  std::vector<std::string> names;
  for (const auto& item : fs::directory_iterator(folder_of_fixtures())) {
    if (fs::exists(item.path() / "reference.json")) names.push_back(item.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::vector<int64_t>> rows_of(const at::Tensor& ids) {
  std::vector<std::vector<int64_t>> rows;
  for (int64_t i = 0; i < ids.size(0); ++i) {
    const at::Tensor row = ids[i].contiguous();
    rows.emplace_back(row.data_ptr<int64_t>(), row.data_ptr<int64_t>() + row.numel());
  }
  return rows;
}

// By fixture and by what was compared, the largest difference as a share of the tolerance's unit.
std::map<std::string, std::map<std::string, double>>& differences() {
  static std::map<std::string, std::map<std::string, double>> all;
  return all;
}

// docs/models.md up to its table, and the table as this run found it.
class Table : public testing::Environment {
 public:
  void TearDown() override {
    if (std::getenv("CIRCUIT_UPDATE_DOCS") == nullptr) return;
    const std::string path = std::string(CIRCUIT_SOURCE_DIR) + "/docs/models.md";
    const std::string mark = "<!-- made by families_test -->\n";
    const std::string text = read_file(path);
    const size_t at = text.find(mark);
    ASSERT_NE(at, std::string::npos) << path;
    std::string made =
        text.substr(0, at) + mark +
        "| fixture | model_type | logits | gradients | scores | BF16 here | BF16 there | transformers |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |\n";
    for (const auto& [name, found] : differences()) {
      const std::string folder = folder_of_fixtures() + "/" + name;
      made += fmt::format("| {} | `{}` | {:.0e} | {:.0e} | {:.0e} | {:.0e} | {:.0e} | {} |\n", name,
                          read_json(folder + "/config.json").at("model_type").get<std::string>(), found.at("logits"),
                          found.at("gradients"), found.at("scores"), found.at("bf16"), found.at("bf16 there"),
                          read_json(folder + "/reference.json").at("versions").at("transformers").get<std::string>());
    }
    write_file(path, made);
  }
};
const testing::Environment* const kTable = testing::AddGlobalTestEnvironment(new Table);

double largest(const at::Tensor& t) { return t.numel() == 0 ? 0 : t.abs().max().item<double>(); }

class Families : public testing::TestWithParam<std::string> {
 protected:
  std::string folder() const { return folder_of_fixtures() + "/" + GetParam(); }
  std::vector<Example> examples() const {
    const auto clean = rows_of(reference_.tensor("ids"));
    const auto other = rows_of(reference_.tensor("counterfactual"));
    std::vector<Example> made(clean.size());
    for (size_t i = 0; i < made.size(); ++i) {
      made[i].ids = clean[i];
      made[i].counterfactual_ids = other[i];
      Readout last;
      last.position = static_cast<int64_t>(clean[i].size());
      last.correct = {1};
      last.wrong = {2};
      made[i].readouts = {last};
      made[i].place = "fixture:" + std::to_string(i);
    }
    return made;
  }
  at::Tensor logits(const char* which) const {
    const at::Tensor ids = reference_.tensor(which);
    const TokenBatch batch = make_token_batch(rows_of(ids), model_.architecture(), at::kCPU, "fixture");
    return logits_of(model_, forward(model_, batch, Keep::kNothing).x_final).view({ids.size(0), ids.size(1), -1});
  }
  at::Tensor gradient_of(const std::string& name) const { return reference_.tensor("grad." + model_.file_name(name)); }
  // Of the mean cross-entropy of every next token.
  void show_gradients(WeightSink& sink) const {
    const auto sequences = rows_of(reference_.tensor("ids"));
    const TokenBatch batch = make_token_batch(sequences, model_.architecture(), at::kCPU, "fixture");
    std::vector<int64_t> rows;
    std::vector<int64_t> next;
    for (size_t s = 0; s < sequences.size(); ++s) {
      next.insert(next.end(), sequences[s].begin() + 1, sequences[s].end());
      for (size_t t = 0; t + 1 < sequences[s].size(); ++t) rows.push_back(batch.starts[s] + static_cast<int64_t>(t));
    }
    const Targets targets{at::tensor(rows, at::kLong), at::tensor(next, at::kLong), {}};
    ForwardCache run = forward(model_, batch, Keep::kBackward);
    const Loss loss = nll_loss(model_, run.x_final, targets, LossGradient::kStreamAndUnembedding);
    weight_gradients(model_, batch, run, loss, 1 / static_cast<double>(rows.size()), sink);
  }
  // Channels of an MLP node where MLPs are split; of experts, which are nodes already, 0.
  int64_t mlp_block() const { return has_experts() ? 0 : 8; }
  bool has_experts() const {
    const auto& kinds = model_.architecture().layer_kinds;
    return std::any_of(kinds.begin(), kinds.end(), [](const LayerSpec& kind) { return kind.mlp.experts.any(); });
  }
  static void found(const char* what, double share) {
    double& known = differences()[GetParam()][what];
    known = std::max(known, share);
  }

  Model model_ = Model::load(Checkpoint::open(folder()), {});
  TensorFile reference_{folder() + "/reference.safetensors"};
};

TEST_P(Families, LogitsAreThoseOfTransformers) {
  for (const auto& [ids, name] : {std::pair("ids", "logits"), {"counterfactual", "counterfactual_logits"}}) {
    const at::Tensor expected = reference_.tensor(name);
    const double spread = (expected.max() - expected.min()).item<double>();
    const double share = largest(logits(ids) - expected) / spread;
    EXPECT_LT(share, kLogitTolerance) << name;
    found("logits", share);
  }
}

// In BF16 both round; the distance to float32's logits is to be no more than some times what transformers' own is.
TEST_P(Families, Bf16RoundsAsMuchAsTransformers) {
  const at::Tensor exact = reference_.tensor("logits");
  const double spread = (exact.max() - exact.min()).item<double>();
  const double theirs = largest(reference_.tensor("logits_bf16") - exact) / spread;
  LoadOptions options;
  options.dtype = at::kBFloat16;
  const Model model = Model::load(Checkpoint::open(folder()), options);
  const at::Tensor ids = reference_.tensor("ids");
  const TokenBatch batch = make_token_batch(rows_of(ids), model.architecture(), at::kCPU, "fixture");
  const at::Tensor made = logits_of(model, forward(model, batch, Keep::kNothing).x_final);
  const double ours = largest(made.to(at::kFloat) - exact.flatten(0, 1)) / spread;
  EXPECT_LT(ours, kBf16Share * theirs + kBf16Least) << "transformers: " << theirs;
  found("bf16", ours);
  found("bf16 there", theirs);
}

// Through the slices that tuning trains: whatever the layout, each has its part of the tensor's gradient.
TEST_P(Families, GradientsAreThoseOfTransformers) {
  const Graph graph(model_.architecture(), KeyValueNodes::kGrouped);
  const SliceTable table(graph, model_);
  SliceGradients sink(model_, table.slices());
  show_gradients(sink);
  double scale = 0;
  for (const auto& [name, tensor] : model_.parameters()) scale = std::max(scale, largest(gradient_of(name)));
  double worst = 0;
  for (size_t i = 0; i < table.slices().size(); ++i) {
    const Slice& s = table.slices()[i];
    const at::Tensor expected = gradient_of(s.tensor).narrow(s.dim, s.start, s.length);
    if (!sink.gradients()[i].defined()) {
      // Of an expert that no token visits.
      EXPECT_TRUE(has_experts() && largest(expected) == 0) << s.tensor;
      continue;
    }
    const double share = largest(sink.gradients()[i].view(expected.sizes()) - expected) / scale;
    EXPECT_LT(share, kGradientTolerance) << s.node << " of " << s.tensor;
    worst = std::max(worst, share);
  }
  found("gradients", worst);
}

// As full fine-tuning trains them: tensors whole, also where several experts stand in one.
TEST_P(Families, GradientsOfWholeTensorsAreThoseOfTransformers) {
  const std::vector<Slice> whole = whole_tensors(model_);
  SliceGradients sink(model_, whole);
  show_gradients(sink);
  double scale = 0;
  for (const auto& [name, tensor] : model_.parameters()) scale = std::max(scale, largest(gradient_of(name)));
  for (size_t i = 0; i < whole.size(); ++i) {
    const at::Tensor expected = gradient_of(whole[i].tensor);
    if (!sink.gradients()[i].defined()) {
      EXPECT_TRUE(has_experts() && largest(expected) == 0) << whole[i].tensor;
      continue;
    }
    const double share = largest(sink.gradients()[i].view(expected.sizes()) - expected) / scale;
    EXPECT_LT(share, kGradientTolerance) << whole[i].tensor;
  }
}

// ∂L/∂B = (α/r) · ∂L/∂W Aᵀ, with ∂L/∂W as transformers has it.
TEST_P(Families, AdaptersGetTheirPartOfTheGradient) {
  LoraSpec spec;
  spec.rank = 2;
  LoraStore store(model_, spec);
  show_gradients(store.begin_batch());
  double scale = 0;
  for (const LoraStore::Adapter& x : store.adapters()) scale = std::max(scale, largest(x.b_gradient));
  for (const LoraStore::Adapter& x : store.adapters()) {
    const at::Tensor w = gradient_of(x.layer.tensor);
    const at::Tensor expected = at::mm(x.layer.transposed ? w : w.t(), x.a.t()) * store.scale();
    EXPECT_LT(largest(x.b_gradient - expected), kGradientTolerance * scale) << x.layer.tensor;
  }
}

TEST_P(Families, TextIsThatOfTransformers) {
  const Json expected = read_json(folder() + "/reference.json").at("continuation");
  GenerateSpec spec;
  spec.max_tokens = static_cast<int64_t>(expected.size());
  spec.stop_at_eos = false;
  const std::vector<Generated> made = generate(model_, {rows_of(reference_.tensor("ids"))[0]}, spec, Rng(1));
  EXPECT_EQ(Json(made[0].ids), expected);
}

TEST_P(Families, EdgeScoresAreThoseOfHooks) {
  const std::vector<Example> examples = this->examples();
  std::vector<const Example*> all;
  for (const Example& e : examples) all.push_back(&e);
  const Graph graph(model_.architecture(), KeyValueNodes::kGrouped);
  ScoreSpec spec(find_metric("logit_diff"));
  const ScoreResult result = find_scorer("eap").score(model_, graph, all, spec, {});
  const at::Tensor expected = reference_.tensor("eap");
  ASSERT_EQ(expected.size(0), graph.n_upstream());
  ASSERT_EQ(expected.size(1), graph.n_downstream());
  const double scale = largest(expected);
  double worst = 0;
  for (int64_t v = 0; v < graph.n_downstream(); ++v) {
    for (int64_t u = 0; u < graph.visible(v); ++u) {
      const int64_t edge = graph.edge_id(u, v);
      // The hooks' sign is that of a replacement; ours that of what the edge carries (method.md).
      const double difference = result.scores.values[edge] + expected[u][v].item<double>();
      EXPECT_LT(std::fabs(difference), kScoreTolerance * scale) << graph.edge_name(edge);
      worst = std::max(worst, std::fabs(difference) / scale);
    }
  }
  EXPECT_LT(result.sum_rule_error, 1e-4);
  found("scores", worst);
}

// Every reader on a stream of its own: with all edges that is the model, with none its counterfactual, in every form of
// the graph.
TEST_P(Families, CircuitsOfAllAndOfNoEdgesAreTheTwoRuns) {
  const std::vector<Example> examples = this->examples();
  std::vector<const Example*> all;
  for (const Example& e : examples) all.push_back(&e);
  const ExampleBatch clean = make_example_batch(all, model_.architecture(), at::kCPU);
  const ExampleBatch other = make_example_batch(all, model_.architecture(), at::kCPU, Side::kCounterfactual);
  const at::Tensor x = forward(model_, clean.tokens, Keep::kNothing).x_final;
  const at::Tensor x_other = forward(model_, other.tokens, Keep::kNothing).x_final;
  for (const auto& [form, block] :
       {std::pair<KeyValueNodes, int64_t>(KeyValueNodes::kGrouped, 0), {KeyValueNodes::kUngrouped, mlp_block()}}) {
    const Graph graph(model_.architecture(), form, block);
    const auto ablated = find_ablation("counterfactual")->prepare(model_, all, 2, mlp_form(graph));
    const NodeOutputs outputs = ablated->of(all, clean);
    CircuitRunner runner(model_, graph, clean.tokens, outputs);
    const auto edges = static_cast<size_t>(graph.n_edges());
    EXPECT_LT(largest(runner.run(std::vector<bool>(edges, true)) - x), kScoreTolerance * largest(x));
    EXPECT_LT(largest(runner.run(std::vector<bool>(edges, false)) - x_other), kScoreTolerance * largest(x_other));
  }
}

// What of scores does not need hooks: their sum rule in the other forms of the graph, with blocks and per query head.
TEST_P(Families, ScoresOfEveryFormOfTheGraphKeepTheSumRule) {
  const std::vector<Example> examples = this->examples();
  std::vector<const Example*> all;
  for (const Example& e : examples) all.push_back(&e);
  const Graph graph(model_.architecture(), KeyValueNodes::kUngrouped, mlp_block());
  for (const char* ablation : {"counterfactual", "mean", "zero"}) {
    ScoreSpec spec(find_metric("logit_diff"));
    spec.ablation = find_ablation(ablation);
    EXPECT_LT(find_scorer("eap").score(model_, graph, all, spec, {}).sum_rule_error, kScoreTolerance) << ablation;
  }
}

// Tuning owns every parameter once: slices cover the tensors and do not overlap.
TEST_P(Families, SlicesAreEveryParameterOnce) {
  const Graph graph(model_.architecture(), KeyValueNodes::kGrouped);
  const SliceTable table(graph, model_);
  std::map<std::string, at::Tensor> owners;
  for (const auto& [name, tensor] : model_.parameters()) owners[name] = at::zeros_like(tensor);
  for (const Slice& s : table.slices()) owners.at(s.tensor).narrow(s.dim, s.start, s.length).add_(1);
  for (const auto& [name, count] : owners) EXPECT_TRUE(count.eq(1).all().item<bool>()) << name;
}

// What makes the latents of all heads of a layer is no head's: with every edge in, nothing else of a layer is left out.
TEST_P(Families, CircuitsTrainEverythingInLayersButLatents) {
  const Graph graph(model_.architecture(), KeyValueNodes::kGrouped);
  const SliceTable table(graph, model_);
  Circuit whole;
  for (int64_t id = 0; id < graph.n_edges(); ++id) whole.edges.push_back(id);
  SlicePolicy policy;
  policy.train_norms = true;
  const std::vector<int64_t> trained = table.of_circuit(whole, policy);
  for (size_t i = 0; i < table.slices().size(); ++i) {
    const std::string& node = table.slices()[i].node;
    const bool of_layer = node.size() > 1 && (node[0] == 'a' || node[0] == 'm') && std::isdigit(node[1]) != 0;
    if (!of_layer) continue;
    const bool latents = node.find(".latents") != std::string::npos;
    EXPECT_EQ(std::binary_search(trained.begin(), trained.end(), static_cast<int64_t>(i)), !latents) << node;
  }
}

TEST_P(Families, ExportIsWhatWasLoaded) {
  const std::string out = testing::TempDir() + "family-" + GetParam();
  fs::remove_all(out);
  write_checkpoint(Checkpoint::open(folder()), {}, out);
  EXPECT_EQ(read_file(out + "/model.safetensors"), read_file(folder() + "/model.safetensors"));
  fs::remove_all(out);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Families, testing::ValuesIn(fixtures()), [](const auto& fixture) {
  std::string name = fixture.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace circuit
