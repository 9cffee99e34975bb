// Direct logit attribution: what each node writes straight into the metric, the final norm's scale held.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "dynamics/analysis.h"

namespace circuit {
namespace {

// The edge u → logits against an output of zero, under the rules that hold norms constant, is that attribution: the
// node's output times the direction that the run's final norm and the unembedding make of the metric.
std::vector<double> attribution(const Model& model, const Graph& graph, const ModelStates& states) {
  ScoreSpec spec = states.spec();
  spec.ablation = find_ablation("zero");
  spec.ablation_reference = nullptr;
  spec.ablated = nullptr;
  const ScoreResult scores = find_scorer("relp").score(model, graph, states.examples(), spec, [](int64_t, int64_t) {});
  std::vector<double> values(graph.n_upstream());
  for (int64_t u = 0; u < graph.n_upstream(); ++u) {
    values[u] = scores.scores.values[graph.edge_id(u, graph.logits())];
  }
  return values;
}

AnalysisResult run_direct_logit(const AnalysisInput& input) {
  ModelStates& states = *input.states;
  const Graph& graph = states.graph();
  std::vector<std::vector<double>> values;  // [states, upstream nodes]
  std::vector<std::string> columns{"node"};
  for (const int64_t step : states.steps()) {
    values.push_back(attribution(states.at(step), graph, states));
    columns.push_back(fmt::format("step_{}", step));
  }
  columns.emplace_back("change");
  AnalysisTable table{"direct_logit", "direct logit attribution, metric units per record", columns, {}};
  std::vector<int64_t> order;
  for (int64_t u = 0; u < graph.n_upstream(); ++u) order.push_back(u);
  const auto change = [&](int64_t u) { return values.back()[u] - values.front()[u]; };
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t x, int64_t y) { return std::fabs(change(x)) > std::fabs(change(y)); });
  for (const int64_t u : order) {
    std::vector<Json> row{graph.upstream_name(u)};
    for (const auto& state : values) row.push_back(number_or_null(state[u]));
    row.push_back(number_or_null(change(u)));
    table.rows.push_back(std::move(row));
  }
  AnalysisResult result;
  const int64_t top = order.front();
  result.findings.push_back(fmt::format("{} changed what it writes into the metric most: {:+.3g} to {:+.3g}.",
                                        graph.upstream_name(top), values.front()[top], values.back()[top]));
  result.tables.push_back(std::move(table));
  return result;
}

}  // namespace

Analysis direct_logit_analysis() {
  return {"direct-logit", "what each node writes straight into the metric, at every checkpoint", true,
          run_direct_logit};
}

}  // namespace circuit
