// Scores per pair of spans. A record marks spans of tokens; an edge u→v then has one score for each pair of
//   where: the span of the position at which u writes and v reads,
//   for whom: the span of the position that v's own node writes at.
// Both are the same for queries, MLPs and logits; keys and values are read at one position for the queries of
// another. The scores of all pairs add up to S(u→v). (Position-aware circuits: Haklay et al. 2025,
// arXiv 2502.04577.)
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "task/example.h"

namespace circuit {

// Spans of a data set by name, in order of first appearance; last "rest", for tokens outside all of them
// and those that a record calls so.
std::vector<std::string> span_names(const std::vector<const Example*>& examples);

// The span of every token of a batch made of `examples`: [tokens] int64, indices of `names` (as span_names
// gives them). A token in two spans is the first one's, in the order of their names.
at::Tensor span_labels(const std::vector<const Example*>& examples, const std::vector<std::string>& names);

// Columns of a sum over spans. Per layer: queries, keys for each span of queries, values likewise, MLP nodes;
// logits last. One span: the graph's downstream order.
class ReaderSlots {
 public:
  ReaderSlots(const Graph& graph, int64_t spans);
  int64_t spans() const { return spans_; }
  int64_t in_layer(int64_t layer) const { return firsts_[layer + 1] - firsts_[layer]; }
  int64_t first(int64_t layer) const { return firsts_[layer]; }
  int64_t count() const { return firsts_.back() + 1; }
  // The most that `layers` layers after one another have.
  int64_t most(int64_t layers) const;
  // The slot of reader v for queries of `span`; the span matters for keys and values only.
  int64_t of(int64_t v, int64_t span) const;
  // Whether v is read at one position for outputs at others: a key or a value.
  bool split(int64_t v) const { return graph_.downstream(v).kind->other_positions; }

 private:
  int64_t parts(const NodeKind& kind) const { return kind.other_positions ? spans_ : 1; }
  const Graph& graph_;
  int64_t spans_;
  std::vector<int64_t> firsts_;  // by layer, the first of its slots; last that of logits
};

// Scores of every edge and pair of spans, metric units per example.
struct SpanScores {
  std::vector<std::string> names;
  std::vector<float> values;  // [edges, where, for whom]
  float at(int64_t edge, int64_t where, int64_t whom) const {
    const auto n = static_cast<int64_t>(names.size());
    return values[(edge * n + where) * n + whom];
  }
};

}  // namespace circuit
