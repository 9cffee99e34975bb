// What the tests of selection share: small models with every form of graph, random scores on them.
#pragma once

#include <cmath>
#include <ostream>
#include <string>
#include <vector>

#include "selection/selector.h"

namespace circuit {

// 3 layers, 4 heads; d_out ≠ d_in everywhere.
inline Architecture small_architecture(const std::string& family, int64_t kv_heads) {
  Architecture a;
  a.family = family;
  a.n_layers = 3;
  a.n_heads = 4;
  a.n_kv_heads = kv_heads;
  a.d_head = 4;
  a.d_model = 16;
  a.d_mlp = 20;
  a.vocab = 7;
  a.n_positions = 8;
  a.head.tied = true;
  LayerSpec& layer = a.every_layer();
  if (family == "gpt2") {
    a.embedding.learned_positions = true;
    layer.attention.qkv_bias = layer.attention.out_bias = layer.mlp.bias = true;
    return a;
  }
  layer.mlp.gated = true;
  a.norm.kind = NormKind::kRmsNorm;
  layer.attention.rotary = RotarySpec{};
  layer.attention.rotary->dims = a.d_head;
  return a;
}

struct GraphForm {
  const char* name;
  const char* family;
  int64_t kv_heads;
  KeyValueNodes key_values;
  bool parallel;
};

inline void PrintTo(const GraphForm& form, std::ostream* out) { *out << form.name; }

inline std::vector<GraphForm> graph_forms() {
  return {{"sequential", "gpt2", 4, KeyValueNodes::kGrouped, false},
          {"parallel", "gpt2", 4, KeyValueNodes::kGrouped, true},
          {"grouped", "llama", 2, KeyValueNodes::kGrouped, false},
          {"ungrouped", "llama", 2, KeyValueNodes::kUngrouped, false}};
}

// A model, a graph on it and scores for the graph.
struct SelectionCase {
  explicit SelectionCase(const GraphForm& form)
      : model(Model::random(small_architecture(form.family, form.kv_heads), 0.1, 1, {})),
        graph(
            [&] {
              // Set on the graph only: no family of the models has parallel blocks, and slices do not care.
              Architecture a = model.architecture();
              a.every_layer().set_parallel(form.parallel);
              return a;
            }(),
            form.key_values),
        slices(graph, model) {}

  // Scores in steps of 1/4 when coarse: many ties and zeros.
  enum class Scores { kFine, kCoarse };
  void draw(uint64_t seed, Scores kind) {
    Rng rng(seed);
    scores.values.clear();
    for (int64_t id = 0; id < graph.n_edges(); ++id) {
      const double score = rng.normal();
      scores.values.push_back(static_cast<float>(kind == Scores::kFine ? score : std::round(score * 4) / 4));
    }
  }

  Circuit select(const std::string& name, const SelectionSpec& spec, uint64_t seed = 1) const {
    Rng rng(seed);
    return find_selector(name).select({graph, scores, slices}, spec, rng);
  }

  Model model;
  Graph graph;
  SliceTable slices;
  EdgeScores scores;
};

// What a selector wants an edge for, as method.md §3 says it.
inline double strength_of(float score, const SelectionSpec& spec) {
  return spec.signed_scores ? score : std::fabs(score);
}

// The upstream nodes and downstream nodes of one name: "a0.h1" is written by itself and read through q, and
// through k and v of its own or of its group.
inline bool reads_for(const Graph& graph, int64_t v, int64_t u) {
  const GraphNode reader = graph.downstream(v);
  const GraphNode writer = graph.upstream(u);
  if (reader.layer != writer.layer || reader.is(kLogitsNode)) return false;
  if (writer.is(kMlpNode)) return reader.is(kMlpReader);
  if (writer.is(kInputNode) || reader.is(kMlpReader)) return false;
  if (reader.is(kQueryNode)) return reader.index == writer.index;
  // Head h belongs to the one kv reader whose share of the heads it falls into.
  return reader.index * graph.n_heads() <= writer.index * graph.kv_nodes() &&
         writer.index * graph.kv_nodes() < (reader.index + 1) * graph.n_heads();
}

}  // namespace circuit
