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

bool ReaderSlots::split(int64_t v) const {
  const DownstreamNode::Kind kind = graph_.downstream(v).kind;
  return kind == DownstreamNode::Kind::kKey || kind == DownstreamNode::Kind::kValue;
}

int64_t ReaderSlots::of(int64_t v, int64_t span) const {
  const DownstreamNode node = graph_.downstream(v);
  const int64_t keys = first(node.layer) + graph_.n_heads();
  switch (node.kind) {
    case DownstreamNode::Kind::kQuery:
      return first(node.layer) + node.head;
    case DownstreamNode::Kind::kKey:
      return keys + span * graph_.kv_nodes() + node.head;
    case DownstreamNode::Kind::kValue:
      return keys + keys_per_layer() + span * graph_.kv_nodes() + node.head;
    case DownstreamNode::Kind::kMlp:
      return keys + 2 * keys_per_layer() + node.block;
    case DownstreamNode::Kind::kLogits:
      break;
  }
  return count() - 1;
}

}  // namespace circuit
