#include "dynamics/node_patching.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>

#include "core/error.h"
#include "graph/links.h"
#include "graph/slices.h"
#include "intervention/cross_patch.h"
#include "task/metric_rounding.h"

namespace circuit {
namespace {

// Both models' own runs of one batch.
struct PatchedBatch {
  PatchedBatch(const Model& base_model, const Model& tuned_model, const Graph& g, const Metric& m,
               const std::vector<const Example*>& examples)
      : graph(g),
        metric(m),
        batch(make_example_batch(examples, base_model.architecture(), base_model.device())),
        base(base_model, batch.tokens),
        tuned(tuned_model, batch.tokens),
        of_base(values(base, base.cache.x_final)),
        of_tuned(values(tuned, tuned.cache.x_final)) {}

  RecordValues values(const OwnRun& run, const at::Tensor& x_final) const {
    return metric_values(run.model, batch, metric, x_final);
  }
  // Appends what the sets change.
  void patch(const std::vector<bool>& into_tuned, const std::vector<bool>& into_base, PatchEffects* effects) const {
    const auto append = [&](const OwnRun& receiver, const OwnRun& donor, const std::vector<bool>& nodes,
                            const RecordValues& own, double sign, RecordValues* all) {
      const CrossPatch patch(graph, batch.tokens, receiver, donor);
      bool any = false;
      for (size_t u = 0; u < nodes.size(); ++u) any = any || (nodes[u] && !patch.is_same(static_cast<int64_t>(u)));
      const RecordValues patched = any ? values(receiver, patch.run(nodes)) : own;
      for (size_t i = 0; i < own.size(); ++i) all->push_back(sign * (patched[i] - own[i]));
    };
    append(tuned, base, into_tuned, of_tuned, -1, &effects->lost);
    append(base, tuned, into_base, of_base, 1, &effects->gained);
  }
  // Appends every node's estimates; uses the runs up.
  void estimate(std::vector<PatchEffects>* effects) {
    const auto append = [&](OwnRun* receiver, const OwnRun& donor, double sign, RecordValues PatchEffects::*side) {
      const at::Tensor d_final =
          metric.compute(receiver->model, batch, receiver->cache.x_final, MetricGradient::kStream).d_final;
      const at::Tensor changes = CrossPatch::first_order(graph, batch.tokens, receiver, donor, d_final);
      const auto* change = changes.data_ptr<double>();
      for (int64_t i = 0; i < batch.examples; ++i) {
        for (int64_t u = 0; u < graph.n_upstream(); ++u) {
          ((*effects)[u].*side).push_back(sign * change[i * graph.n_upstream() + u]);
        }
      }
    };
    append(&tuned, base, -1, &PatchEffects::lost);
    append(&base, tuned, 1, &PatchEffects::gained);
  }

  const Graph& graph;
  const Metric& metric;
  ExampleBatch batch;
  OwnRun base, tuned;
  RecordValues of_base, of_tuned;
};

void each_batch(const Model& base, const Model& tuned, const Graph& graph, const std::vector<const Example*>& examples,
                const ScoreSpec& spec, const std::function<void(PatchedBatch&)>& each) {
  const auto size = static_cast<size_t>(std::max<int64_t>(1, spec.batch));
  for (size_t first = 0; first < examples.size(); first += size) {
    const auto at = [&](size_t i) { return examples.begin() + static_cast<int64_t>(std::min(examples.size(), i)); };
    PatchedBatch batch(base, tuned, graph, spec.metric, {at(first), at(first + size)});
    each(batch);
  }
}

double mean_size(const RecordValues& values) {
  return std::fabs(std::accumulate(values.begin(), values.end(), 0.0)) / static_cast<double>(values.size());
}

void append_to(const RecordValues& values, RecordValues* all) { all->insert(all->end(), values.begin(), values.end()); }

}  // namespace

NodePatching patch_nodes(const Model& base, const Model& tuned, const Graph& graph,
                         const std::vector<const Example*>& examples, const ScoreSpec& spec, int64_t exact_nodes) {
  if (spec.metric.flat_at_clean) {
    fail("node-patching", "metric {} compares a run with its own model's, so that tuning gains nothing in it.",
         spec.metric.name);
  }
  const int64_t n = graph.n_upstream();
  NodePatching found;
  found.estimate.resize(n);
  found.exact.resize(n);
  each_batch(base, tuned, graph, examples, spec, [&](PatchedBatch& b) {
    append_to(b.of_base, &found.base);
    append_to(b.of_tuned, &found.tuned);
    RecordValues rounding = metric_rounding(base, b.batch, spec.metric, b.base.cache.x_final);
    const RecordValues other = metric_rounding(tuned, b.batch, spec.metric, b.tuned.cache.x_final);
    for (size_t i = 0; i < rounding.size(); ++i) rounding[i] = std::max(rounding[i], other[i]);
    append_to(rounding, &found.rounding);
    b.estimate(&found.estimate);
  });
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  const auto size = [&](int64_t u) {
    return std::max(mean_size(found.estimate[u].lost), mean_size(found.estimate[u].gained));
  };
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return size(a) > size(b); });
  order.resize(std::min(n, exact_nodes));
  std::vector<NodeSets> sets;
  for (const int64_t u : order) {
    std::vector<bool> alone(n);
    alone[u] = true;
    sets.push_back({alone, alone});
  }
  const std::vector<PatchEffects> effects = patch_sets(base, tuned, graph, examples, spec, sets);
  for (size_t i = 0; i < order.size(); ++i) found.exact[order[i]] = effects[i];
  return found;
}

std::vector<PatchEffects> patch_sets(const Model& base, const Model& tuned, const Graph& graph,
                                     const std::vector<const Example*>& examples, const ScoreSpec& spec,
                                     const std::vector<NodeSets>& sets) {
  std::vector<PatchEffects> effects(sets.size());
  each_batch(base, tuned, graph, examples, spec, [&](PatchedBatch& b) {
    for (size_t i = 0; i < sets.size(); ++i) b.patch(sets[i].into_tuned, sets[i].into_base, &effects[i]);
  });
  return effects;
}

std::vector<double> node_changes(const Model& base, const Model& tuned, const Graph& graph) {
  const SliceTable table(graph, base);
  const auto norm = [](const at::Tensor& t) {
    return at::linalg_vector_norm(t, 2, c10::nullopt, false, at::kDouble).item<double>();
  };
  std::vector<double> sizes, changes;  // by slice
  for (const Slice& slice : table.slices()) {
    const at::Tensor before = slice_view(base, slice);
    sizes.push_back(norm(before));
    changes.push_back(norm(slice_view(tuned, slice).to(at::kDouble) - before.to(at::kDouble)));
  }
  SlicePolicy own;
  own.shared_biases = false;
  std::vector<double> relative;
  for (int64_t u = 0; u < graph.n_upstream(); ++u) {
    CircuitNodes node{std::vector<bool>(graph.n_upstream()), std::vector<bool>(graph.n_downstream())};
    node.upstream[u] = true;
    for (const int64_t v : readers_of(graph, u)) node.downstream[v] = true;
    // A tied embedding is the head's too, and what it changes as the embedding is `input`'s all the same.
    own.train_embeddings = own.train_unembedding = u == 0;
    node.downstream[graph.logits()] = u == 0 && base.architecture().head.tied;
    double size = 0;
    double change = 0;
    for (const int64_t id : table.of_nodes(node, own)) {
      size = std::hypot(size, sizes[id]);
      change = std::hypot(change, changes[id]);
    }
    relative.push_back(size > 0 ? change / size : std::numeric_limits<double>::quiet_NaN());
  }
  return relative;
}

std::vector<bool> nodes_in(const Graph& graph, const Circuit& circuit) {
  const CircuitNodes touched = nodes_of(graph, circuit);
  std::vector<bool> in = touched.upstream;
  for (int64_t u = 0; u < graph.n_upstream(); ++u) {
    for (const int64_t v : readers_of(graph, u)) in[u] = in[u] || touched.downstream[v];
  }
  return in;
}

}  // namespace circuit
