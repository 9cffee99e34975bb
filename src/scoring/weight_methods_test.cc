// magnitude and wanda against their definitions, worked apart: from the state dict with plain loops, and reader by
// reader in float64.
#include <ATen/TensorOperators.h>
#include <ATen/ops/diag.h>
#include <ATen/ops/eye.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "core/error.h"
#include "intervention/per_reader.h"
#include "model/checkpoint.h"
#include "scoring/gradient_methods.h"
#include "scoring/testing.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

// Scores are stored in float32, of models in float64 or of float32 sums in another order.
constexpr double kStored = 1e-6;  // of each score
constexpr double kSums = 1e-5;    // of the largest score

EdgeScores scores_of(const std::string& method, const Model& model, const Graph& graph,
                     const std::vector<Example>& examples, const ScoreSpec& spec) {
  return find_scorer(method).score(model, graph, pointers(examples), spec, {}).scores;
}

ScoreSpec plain_spec() {
  ScoreSpec spec(logit_diff_metric());
  spec.ablation = find_ablation("mean");
  return spec;
}

// A matrix of a state dict; of a part of it the Frobenius norm with plain loops.
struct Matrix {
  Matrix(const Model& model, const std::string& name)
      : values(model.parameter(name).to(at::kDouble).contiguous()), columns(values.size(-1)) {}
  double at(int64_t row, int64_t column) const { return values.data_ptr<double>()[row * columns + column]; }
  at::Tensor values;
  int64_t columns;
};

// ‖J γ W‖_F of W[channel][output] for outputs first … first + count − 1; J takes the mean over channels off.
template <typename Weight>
double read_norm(const Weight& weight, const Matrix& gamma, int64_t d, int64_t count, bool takes_mean) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    double mean = 0;
    for (int64_t j = 0; j < d; ++j) mean += gamma.at(0, j) * weight(j, i) / static_cast<double>(d);
    for (int64_t j = 0; j < d; ++j) {
      const double folded = gamma.at(0, j) * weight(j, i) - (takes_mean ? mean : 0);
      sum += folded * folded;
    }
  }
  return std::sqrt(sum);
}

template <typename Weight>
double write_norm(const Weight& weight, int64_t rows, int64_t d) {
  double sum = 0;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < d; ++j) sum += weight(i, j) * weight(i, j);
  }
  return std::sqrt(sum);
}

Model fixture(const std::string& family) {
  return Model::load(Checkpoint::open((fs::path(CIRCUIT_SOURCE_DIR) / "tests/families" / family).string()), {});
}

class MagnitudeOfAStateDict : public testing::Test {
 protected:
  void expect(const Model& model, const std::string& edge, double written, double read) const {
    const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
    const EdgeScores scores =
        scores_of("magnitude", model, graph, random_examples(model.architecture(), 2), plain_spec());
    const auto id = graph.find_edge(edge);
    ASSERT_TRUE(id.has_value()) << edge;
    EXPECT_NEAR(scores.values[*id], written * read, kStored * written * read) << edge;
  }
};

TEST_F(MagnitudeOfAStateDict, Gpt2) {
  const Model model = fixture("gpt2");
  const Architecture& a = model.architecture();
  const int64_t d = a.d_model;
  const Matrix wte(model, "wte.weight");
  const Matrix qkv(model, "h.1.attn.c_attn.weight");
  const Matrix out(model, "h.0.attn.c_proj.weight");
  const Matrix in(model, "h.1.mlp.c_fc.weight");
  const Matrix mlp(model, "h.0.mlp.c_proj.weight");
  const Matrix ln_1(model, "h.1.ln_1.weight");
  const Matrix ln_2(model, "h.1.ln_2.weight");
  const Matrix ln_f(model, "ln_f.weight");
  const double input = write_norm([&](int64_t i, int64_t j) { return wte.at(i, j); }, a.vocab, d);
  const double head = write_norm([&](int64_t i, int64_t j) { return out.at(a.d_head + i, j); }, a.d_head, d);
  const double m0 = write_norm([&](int64_t i, int64_t j) { return mlp.at(i, j); }, a.d_mlp, d);
  // Query, key and value of head 1 stand in one matrix of three blocks.
  const auto reader = [&](int64_t block) {
    return read_norm([&](int64_t j, int64_t i) { return qkv.at(j, block * d + a.d_head + i); }, ln_1, d, a.d_head,
                     true);
  };
  const double m1 = read_norm([&](int64_t j, int64_t i) { return in.at(j, i); }, ln_2, d, a.d_mlp, true);
  const double logits = read_norm([&](int64_t j, int64_t i) { return wte.at(i, j); }, ln_f, d, a.vocab, true);
  expect(model, "input->a1.h1<q>", input, reader(0));
  expect(model, "a0.h1->a1.h1<k>", head, reader(1));
  expect(model, "m0->a1.h1<v>", m0, reader(2));
  expect(model, "a0.h1->m1", head, m1);
  expect(model, "input->logits", input, logits);
  expect(model, "m0->logits", m0, logits);
}

// Matrices the other way round, RMSNorm, keys and values in groups, experts behind a router.
TEST_F(MagnitudeOfAStateDict, Mixtral) {
  const Model model = fixture("mixtral");
  const Architecture& a = model.architecture();
  const int64_t d = a.d_model;
  const Matrix q(model, "layers.1.self_attn.q_proj.weight");
  const Matrix k(model, "layers.1.self_attn.k_proj.weight");
  const Matrix out(model, "layers.0.self_attn.o_proj.weight");
  const Matrix norm(model, "layers.1.input_layernorm.weight");
  const Matrix mlp_norm(model, "layers.1.post_attention_layernorm.weight");
  const Matrix router(model, "layers.1.block_sparse_moe.gate.weight");
  const Matrix up(model, "layers.1.block_sparse_moe.experts.2.w3.weight");
  const Matrix gate(model, "layers.1.block_sparse_moe.experts.2.w1.weight");
  const Matrix down(model, "layers.0.block_sparse_moe.experts.1.w2.weight");
  const int64_t width = down.columns;
  const double head = write_norm([&](int64_t i, int64_t j) { return out.at(j, a.d_head + i); }, a.d_head, d);
  const double expert = write_norm([&](int64_t i, int64_t j) { return down.at(j, i); }, width, d);
  const auto of = [&](const Matrix& w, int64_t first, int64_t count, const Matrix& gamma) {
    return read_norm([&](int64_t j, int64_t i) { return w.at(first + i, j); }, gamma, d, count, false);
  };
  expect(model, "a0.h1->a1.h1<q>", head, of(q, a.d_head, a.d_head, norm));
  expect(model, "m0.e1->a1.kv1<k>", expert, of(k, a.d_head, a.d_head, norm));
  expect(model, "m0.e1->m1.e2", expert, std::hypot(of(up, 0, width, mlp_norm), of(gate, 0, width, mlp_norm)));
  expect(model, "a0.h1->m1", head, of(router, 0, router.values.size(0), mlp_norm));
}

// Norms folded by an explicit matrix, node by node, on a model that is worked reader by reader.
struct WeightCase {
  const char* family;
  int64_t mlp_block;
};

class WeightMethods : public testing::TestWithParam<WeightCase> {
 protected:
  static Model tiny_model() {
    LoadOptions wide;
    wide.dtype = at::kDouble;
    return Model::random(tiny_architecture(GetParam().family, 2), 0.4, 7, wide);
  }
  Graph graph(KeyValueNodes form, int64_t mlp_block) const { return Graph(model_.architecture(), form, mlp_block); }
  EdgeScores scores(const std::string& method, const Graph& graph) const {
    return scores_of(method, model_, graph, examples_, spec_);
  }

  struct Reader {
    at::Tensor weight;  // [d_model, outputs]
    const NormWeights& norm;
  };
  Reader reader(int64_t v) const {
    const GraphNode node = graph_.downstream(v);
    if (node.is(kLogitsNode)) return {model_.unembedding().t(), model_.final_norm()};
    const LayerWeights& w = model_.layers()[node.layer];
    if (node.is(kQueryNode)) return {head_weight(w.w_q, node.index), w.attn_norm};
    if (node.is(kKeyNode)) return {head_weight(w.w_k, node.index), w.attn_norm};
    if (node.is(kValueNode)) return {head_weight(w.w_v, node.index), w.attn_norm};
    const int64_t width = graph_.mlp_block(node.layer);
    const at::Tensor in = w.w_in.narrow(1, node.index * width, width);
    if (!w.w_gate.defined()) return {in, w.mlp_norm};
    return {at::cat({in, w.w_gate.narrow(1, node.index * width, width)}, 1), w.mlp_norm};
  }
  // (I − 11ᵀ/d) diag(γ) W, or without the first factor.
  at::Tensor folded(const Reader& r) const {
    const int64_t d = model_.architecture().d_model;
    at::Tensor scaled = at::mm(at::diag(norm_scale(r.norm)), r.weight);
    if (r.norm.spec.kind != NormKind::kLayerNorm) return scaled;
    return at::mm(at::eye(d, scaled.options()) - 1.0 / static_cast<double>(d), scaled);
  }
  at::Tensor writer(int64_t u) const {
    const GraphNode node = graph_.upstream(u);
    if (node.is(kInputNode)) return model_.embedding() * model_.architecture().embedding.scale;
    const LayerWeights& w = model_.layers()[node.layer];
    const int64_t dh = model_.architecture().value_width();
    const int64_t width = graph_.mlp_block(node.layer);
    const at::Tensor own =
        node.is(kHeadNode) ? w.w_o.narrow(0, node.index * dh, dh) : w.w_out.narrow(0, node.index * width, width);
    const NormWeights& post = node.is(kHeadNode) ? w.attn_post_norm : w.mlp_post_norm;
    return post.defined() ? at::mm(own, at::diag(norm_scale(post))) : own;
  }
  void expect_scores(const EdgeScores& found, const std::vector<double>& expected) const {
    for (int64_t id = 0; id < graph_.n_edges(); ++id) {
      ASSERT_NEAR(found.values[id], expected[id], kStored * expected[id]) << graph_.edge_name(id);
    }
  }

  Model model_ = tiny_model();
  Graph graph_{model_.architecture(), KeyValueNodes::kGrouped, GetParam().mlp_block};
  std::vector<Example> examples_ = random_examples(model_.architecture(), 9);
  ScoreSpec spec_ = plain_spec();
};

TEST_P(WeightMethods, MagnitudeIsTheProductOfTwoFrobeniusNorms) {
  std::vector<double> expected;
  for (int64_t id = 0; id < graph_.n_edges(); ++id) {
    const Edge e = graph_.edge(id);
    expected.push_back(std::sqrt(writer(e.upstream).square().sum().item<double>() *
                                 folded(reader(e.downstream)).square().sum().item<double>()));
  }
  expect_scores(scores("magnitude", graph_), expected);
}

TEST_P(WeightMethods, WandaIsTheNormOfTheScoresOfWhatIsRead) {
  for (const Positions positions : {Positions::kAll, Positions::kReadout}) {
    spec_.positions = positions;
    const ExampleBatch batch = make_example_batch(pointers(examples_), model_.architecture(), at::kCPU);
    const NodeOutputs ablated =
        spec_.ablation->prepare(model_, pointers(examples_), 4, mlp_form(graph_))->of(pointers(examples_), batch);
    const std::vector<bool> all(graph_.n_edges(), true);
    PerReaderModel model(model_, graph_, ablated, all);
    model.mode = PerReaderModel::Coefficients::kRecord;
    std::vector<at::Tensor> streams(graph_.n_downstream());
    model.on_read = [&](int64_t v, const at::Tensor& x) { return streams[v] = x; };
    model.run(batch.tokens);
    const at::Tensor rows = scored_rows(batch, positions);
    std::vector<double> expected;
    for (int64_t id = 0; id < graph_.n_edges(); ++id) {
      const Edge e = graph_.edge(id);
      const Reader r = reader(e.downstream);
      const at::Tensor& x = streams[e.downstream];
      const at::Tensor centred = r.norm.spec.kind == NormKind::kLayerNorm ? x - x.mean(-1, true) : x;
      const at::Tensor part = model.contribution(e.upstream, model.outputs()[e.upstream]) /
                              (centred.square().mean(-1, true) + r.norm.spec.eps).sqrt();
      const at::Tensor scored = rows.defined() ? part.index_select(0, rows) : part;
      // Wanda's |W_ij| · ‖x_j‖ of every weight, ‖x_j‖ over the tokens, here their mean's root.
      const at::Tensor activation = scored.square().mean(0).sqrt();
      expected.push_back((folded(r).abs() * activation.unsqueeze(1)).norm().item<double>());
    }
    expect_scores(scores("wanda", graph_), expected);
  }
}

// What is read in parts is read in squares that add up; so is what weights write. Activations of blocks do not.
TEST_P(WeightMethods, SquaresOfFinerNodesAddUp) {
  const Graph whole = graph(KeyValueNodes::kGrouped, 0);
  const Graph split = graph(KeyValueNodes::kGrouped, 7);
  for (const std::string method : {"magnitude", "wanda"}) {
    const EdgeScores coarse = scores(method, whole);
    const EdgeScores fine = scores(method, split);
    std::vector<double> squares(whole.n_edges());
    for (int64_t id = 0; id < split.n_edges(); ++id) {
      const GraphNode from = split.upstream(split.edge(id).upstream);
      const GraphNode to = split.downstream(split.edge(id).downstream);
      const bool from_mlp = from.is(kMlpNode);
      const int64_t u = from.is(kInputNode) ? 0 : from_mlp ? whole.mlp(from.layer) : whole.head(from.layer, from.index);
      const int64_t v =
          to.is(kLogitsNode) ? whole.logits() : whole.reader(*to.kind, to.layer, to.is(kMlpReader) ? 0 : to.index);
      squares[whole.edge_id(u, v)] += static_cast<double>(fine.values[id]) * fine.values[id];
      if (from_mlp && method == "wanda") squares[whole.edge_id(u, v)] = std::nan("");
    }
    for (int64_t id = 0; id < whole.n_edges(); ++id) {
      if (std::isnan(squares[id])) continue;
      ASSERT_NEAR(std::sqrt(squares[id]), coarse.values[id], kStored * coarse.values[id]) << whole.edge_name(id);
    }
  }
}

TEST_P(WeightMethods, AReaderPerQueryHeadReadsWhatItsGroupReads) {
  const Graph ungrouped = graph(KeyValueNodes::kUngrouped, GetParam().mlp_block);
  const int64_t per_kv = model_.architecture().heads_per_kv();
  for (const std::string method : {"magnitude", "wanda"}) {
    const EdgeScores grouped = scores(method, graph_);
    const EdgeScores each = scores(method, ungrouped);
    for (int64_t id = 0; id < ungrouped.n_edges(); ++id) {
      const Edge e = ungrouped.edge(id);
      const GraphNode to = ungrouped.downstream(e.downstream);
      if (!to.is(kKeyNode) && !to.is(kValueNode)) continue;
      const int64_t v = graph_.reader(*to.kind, to.layer, to.index / per_kv);
      ASSERT_FLOAT_EQ(each.values[id], grouped.values[graph_.edge_id(e.upstream, v)]) << ungrouped.edge_name(id);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, WeightMethods,
                         testing::Values(WeightCase{"gpt2", 0}, WeightCase{"gpt2", 7}, WeightCase{"llama", 0},
                                         WeightCase{"llama", 2}, WeightCase{"gemma2", 0}, WeightCase{"gemma2", 7},
                                         WeightCase{"gemma3_text", 0}, WeightCase{"gpt_neox", 0},
                                         WeightCase{"gpt_neox", 2}, WeightCase{"opt", 0}, WeightCase{"qwen3", 0}),
                         [](const auto& each) {
                           return std::string(each.param.family) + "_" + std::to_string(each.param.mlp_block);
                         });

// Every family of the fixtures: a size for every edge, the same for any batches in any order.
TEST(WeightMethodsOfFamilies, ScoreEveryEdgeWhateverTheBatches) {
  for (const auto& folder : fs::directory_iterator(fs::path(CIRCUIT_SOURCE_DIR) / "tests/families")) {
    SCOPED_TRACE(folder.path().filename().string());
    const Model model = Model::load(Checkpoint::open(folder.path().string()), {});
    const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
    Architecture short_texts = model.architecture();
    short_texts.n_positions = 9;
    const std::vector<Example> examples = random_examples(short_texts, 5);
    for (const std::string method : {"magnitude", "wanda"}) {
      ScoreSpec spec = plain_spec();
      const EdgeScores base = scores_of(method, model, graph, examples, spec);
      ASSERT_EQ(static_cast<int64_t>(base.values.size()), graph.n_edges());
      // An expert that no token was sent to puts out nothing.
      EXPECT_THAT(base.values, testing::Each(testing::Ge(0.0F)));
      if (!graph.routers()) {
        EXPECT_THAT(base.values, testing::Each(testing::Gt(0.0F)));
      }
      const std::vector<Example> reversed(examples.rbegin(), examples.rend());
      for (const int64_t batch : {1, 2}) {
        spec.batch = batch;
        EXPECT_LT(largest_difference(base, scores_of(method, model, graph, reversed, spec)), kSums * largest(base));
      }
    }
  }
}

TEST(WeightMethodsOfFamilies, ANumberThatOverflowsNamesItsEdge) {
  Model model = Model::random(tiny_architecture("gpt2"), 0.3, 3, {});
  model.writable("h.1.mlp.c_fc.weight").fill_(std::nanf(""));
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  for (const std::string method : {"magnitude", "wanda"}) {
    try {
      scores_of(method, model, graph, random_examples(model.architecture(), 2), plain_spec());
      FAIL() << method;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("input->m1"), testing::HasSubstr("not finite")));
    }
  }
}

}  // namespace
}  // namespace circuit
