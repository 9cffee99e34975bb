#include "scoring/spans.h"

#include <ATen/ops/tensor.h>

#include <algorithm>

namespace circuit {
namespace {

constexpr char kRest[] = "rest";

}  // namespace

std::vector<std::string> span_names(const std::vector<const Example*>& examples) {
  std::vector<std::string> names;
  for (const Example* e : examples) {
    for (const Span& span : e->spans) {
      const bool known = span.name == kRest || std::find(names.begin(), names.end(), span.name) != names.end();
      if (!known) names.push_back(span.name);
    }
  }
  names.emplace_back(kRest);
  return names;
}

at::Tensor span_labels(const std::vector<const Example*>& examples, const std::vector<std::string>& names) {
  std::vector<int64_t> labels;
  for (const Example* e : examples) {
    std::vector<int64_t> of_example(e->ids.size(), static_cast<int64_t>(names.size()) - 1);
    for (auto span = e->spans.rbegin(); span != e->spans.rend(); ++span) {
      const auto name = std::find(names.begin(), names.end(), span->name);
      std::fill(of_example.begin() + span->begin, of_example.begin() + span->end + 1, name - names.begin());
    }
    labels.insert(labels.end(), of_example.begin(), of_example.end());
  }
  return at::tensor(labels, at::kLong);
}

ReaderSlots::ReaderSlots(const Graph& graph, int64_t spans) : graph_(graph), spans_(spans), firsts_{0} {
  for (int64_t l = 0; l < graph.n_layers(); ++l) {
    firsts_.push_back(firsts_.back());
    for (const NodeGroup& group : graph.reader_groups(l)) firsts_.back() += group.count * parts(*group.kind);
  }
}

int64_t ReaderSlots::most(int64_t layers) const {
  int64_t most = 0;
  layers = std::min(layers, graph_.n_layers());
  for (int64_t l = 0; l + layers <= graph_.n_layers(); ++l) most = std::max(most, firsts_[l + layers] - firsts_[l]);
  return most;
}

int64_t ReaderSlots::of(int64_t v, int64_t span) const {
  const GraphNode node = graph_.downstream(v);
  if (node.is(kLogitsNode)) return count() - 1;
  int64_t slot = first(node.layer);
  for (const NodeGroup& group : graph_.reader_groups(node.layer)) {
    if (group.kind == node.kind) return slot + (split(v) ? span * group.count : 0) + node.index;
    slot += group.count * parts(*group.kind);
  }
  return slot;
}

}  // namespace circuit
