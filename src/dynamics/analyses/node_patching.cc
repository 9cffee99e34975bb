// Which nodes carry what was learned: each patched from one model into the other, both ways.
#include "dynamics/node_patching.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "evaluation/estimate_text.h"
#include "evaluation/faithfulness.h"
#include "graph/overlap.h"
#include "scoring/verify.h"

namespace circuit {
namespace {

double mean_value(const RecordValues& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

void add_to(const RecordValues& values, RecordValues* sum) {
  sum->resize(values.size());
  for (size_t i = 0; i < values.size(); ++i) (*sum)[i] += values[i];
}

// The patching of a run's last state, and what is asked of it.
class Patched {
 public:
  explicit Patched(const AnalysisInput& input)
      : states_(*input.states),
        last_(states_.steps().back()),
        graph_(states_.graph()),
        base_(states_.base()),
        tuned_(states_.at(last_)),
        discovery_(discovery_of(input.run, last_)),
        rng_(Rng(input.seed).split("node-patching")),
        found_(patch_nodes(base_, tuned_, graph_, states_.examples(), states_.spec())),
        change_(node_changes(base_, tuned_, graph_)) {
    for (size_t i = 0; i < found_.base.size(); ++i) gain_.push_back(found_.tuned[i] - found_.base[i]);
    CircuitOutcome full, empty;
    full.metric = found_.tuned;
    full.rounding = found_.rounding;
    empty.metric = found_.base;
    range_ = metric_range(full, empty, rng_);
    in_circuit_ = nodes_in(graph_, discovery_.circuit);
    order_.resize(graph_.n_upstream());
    std::iota(order_.begin(), order_.end(), 0);
    std::stable_sort(order_.begin(), order_.end(), [&](int64_t a, int64_t b) {
      const auto key = [&](int64_t u) { return std::pair(is_exact(u), std::fabs(mean_value(found_.best(u).lost))); };
      return key(a) > key(b);
    });
  }

  AnalysisResult result() {
    AnalysisResult result;
    gain_found(&result);
    nodes_found(&result);
    if (is_defined(range_)) together_found(&result);
    layers_found(&result);
    relations_found(&result);
    return result;
  }

 private:
  bool is_exact(int64_t u) const { return !found_.exact[u].lost.empty(); }
  int64_t exact_count() const {
    int64_t count = 0;
    for (const int64_t u : order_) count += is_exact(u);
    return count;
  }
  // Of the whole gain, with its interval over records; empty where that is none.
  std::vector<Json> share(const RecordValues& values) {
    if (!is_defined(range_)) return {nullptr, nullptr, nullptr};
    const Estimate e = ratio_estimate(values, gain_, rng_);
    return {number_or_null(e.value), number_or_null(e.interval.low), number_or_null(e.interval.high)};
  }
  double share_value(const RecordValues& values) const { return mean_value(values) / range_.value; }
  std::string said(const RecordValues& values) { return short_estimate(ratio_estimate(values, gain_, rng_)); }

  void gain_found(AnalysisResult* result) {
    result->findings.push_back(
        fmt::format("Step {} (the last checkpoint looked at) against the base: the metric went from {:.4g} to {:.4g}, "
                    "a gain of {:.4g} ({:.4g} to {:.4g}) on {} records.",
                    last_, mean_value(found_.base), mean_value(found_.tuned), range_.value, range_.interval.low,
                    range_.interval.high, found_.base.size()));
    const int64_t exact = exact_count();
    if (exact < graph_.n_upstream()) {
      result->findings.push_back(
          fmt::format("Patched one by one: the {} of {} nodes that the first-order estimate (gradient times "
                      "difference) ranks highest; the others have that estimate alone.",
                      exact, graph_.n_upstream()));
    }
    if (!is_defined(range_)) {
      result->findings.push_back("That gain does not stand out from noise: there are no shares of it.");
    }
  }

  void nodes_found(AnalysisResult* result) {
    AnalysisTable table{
        "node_patching",
        fmt::format("nodes by what the model of step {} loses with the base's output there", last_),
        {"node", "lost", "lost_low", "lost_high", "gained", "gained_low", "gained_high", "lost_metric", "gained_metric",
         "lost_estimate", "gained_estimate", "exact", "parameter_change", "in_circuit"},
        {}};
    for (const int64_t u : order_) {
      const PatchEffects& effects = found_.best(u);
      std::vector<Json> row{graph_.upstream_name(u)};
      for (const RecordValues* side : {&effects.lost, &effects.gained}) {
        const std::vector<Json> cells = share(*side);
        row.insert(row.end(), cells.begin(), cells.end());
      }
      row.insert(row.end(), {mean_value(effects.lost), mean_value(effects.gained), mean_value(found_.estimate[u].lost),
                             mean_value(found_.estimate[u].gained), is_exact(u), number_or_null(change_[u]),
                             static_cast<bool>(in_circuit_[u])});
      table.rows.push_back(std::move(row));
    }
    const int64_t top = order_.front();
    const PatchEffects& effects = found_.best(top);
    if (is_defined(range_)) {
      result->findings.push_back(fmt::format(
          "Most is at {}: with the base's output there the tuned model loses a share of {} of the gain; with the tuned "
          "model's output there the base gains {}.",
          graph_.upstream_name(top), said(effects.lost), said(effects.gained)));
    } else {
      result->findings.push_back(fmt::format("Largest effect: {}, {:+.3g} of the metric lost and {:+.3g} gained.",
                                             graph_.upstream_name(top), mean_value(effects.lost),
                                             mean_value(effects.gained)));
    }
    result->tables.push_back(std::move(table));
  }

  // Sizes of sets that are patched together: all of the small ones, then by halves more.
  std::vector<int64_t> sizes() const {
    std::vector<int64_t> all;
    for (int64_t k = 1; k < graph_.n_upstream(); k += std::max<int64_t>(1, k / 2)) all.push_back(k);
    all.push_back(graph_.n_upstream());
    return all;
  }
  // The k nodes of the largest effect of a side, as flags.
  std::vector<bool> first_nodes(int64_t k, RecordValues PatchEffects::*side) const {
    std::vector<int64_t> order = order_;
    const auto effect = [&](int64_t u) { return share_value(found_.best(u).*side); };
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return effect(a) > effect(b); });
    std::vector<bool> nodes(graph_.n_upstream());
    for (int64_t i = 0; i < k; ++i) nodes[order[i]] = true;
    return nodes;
  }

  void together_found(AnalysisResult* result) {
    std::vector<NodeSets> sets;
    for (const int64_t k : sizes())
      sets.push_back({first_nodes(k, &PatchEffects::lost), first_nodes(k, &PatchEffects::gained)});
    sets.push_back({in_circuit_, in_circuit_});
    std::vector<PatchEffects> effects = patch_sets(base_, tuned_, graph_, states_.examples(), states_.spec(), sets);
    const PatchEffects circuit = std::move(effects.back());
    effects.pop_back();
    AnalysisTable table{"node_patching_together",
                        "nodes of the largest shares patched together",
                        {"nodes", "lost", "lost_low", "lost_high", "gained", "gained_low", "gained_high"},
                        {}};
    for (size_t i = 0; i < effects.size(); ++i) {
      std::vector<Json> row{sizes()[i]};
      for (const RecordValues* side : {&effects[i].lost, &effects[i].gained}) {
        const std::vector<Json> cells = share(*side);
        row.insert(row.end(), cells.begin(), cells.end());
      }
      table.rows.push_back(std::move(row));
    }
    const auto needed = [&](RecordValues PatchEffects::*side, double wanted) {
      for (size_t i = 0; i < effects.size(); ++i) {
        if (share_value(effects[i].*side) >= wanted) return fmt::format("{}", sizes()[i]);
      }
      return std::string("no number");
    };
    result->findings.push_back(fmt::format(
        "Patched together, strongest first: the base's outputs of {} of {} nodes take half of the gain away, of {} "
        "90 %; the tuned model's outputs of {} give the base half of it, of {} 90 %.",
        needed(&PatchEffects::lost, 0.5), graph_.n_upstream(), needed(&PatchEffects::lost, 0.9),
        needed(&PatchEffects::gained, 0.5), needed(&PatchEffects::gained, 0.9)));
    result->findings.push_back(fmt::format(
        "All nodes together lose {} and gain {}; what is missing to 1 is in what belongs to no node (norms, "
        "biases, positions, unembedding).",
        said(effects.back().lost), said(effects.back().gained)));
    result->findings.push_back(
        fmt::format("The circuit of step {} has {} of the {} nodes: together they lose {} and gain {}.",
                    discovery_.step, std::count(in_circuit_.begin(), in_circuit_.end(), true), graph_.n_upstream(),
                    said(circuit.lost), said(circuit.gained)));
    result->tables.push_back(std::move(table));
  }

  void layers_found(AnalysisResult* result) {
    AnalysisTable table{"node_patching_layers",
                        "sums over the nodes of a block, each patched alone",
                        {"block", "nodes", "exact_nodes", "lost", "lost_low", "lost_high", "gained", "gained_low",
                         "gained_high", "lost_metric", "gained_metric"},
                        {}};
    PatchEffects whole;
    for (int64_t u = 0; u < graph_.n_upstream();) {
      const GraphNode first = graph_.upstream(u);
      PatchEffects sum;
      int64_t nodes = 0;
      int64_t exact = 0;
      for (; u < graph_.n_upstream(); ++u, ++nodes) {
        const GraphNode node = graph_.upstream(u);
        if (node.kind != first.kind || node.layer != first.layer) break;
        exact += is_exact(u);
        add_to(found_.best(u).lost, &sum.lost);
        add_to(found_.best(u).gained, &sum.gained);
      }
      add_to(sum.lost, &whole.lost);
      add_to(sum.gained, &whole.gained);
      const std::string name =
          first.is(kInputNode) ? "input" : fmt::format("{}{}", first.is(kHeadNode) ? "a" : "m", first.layer);
      std::vector<Json> row{name, nodes, exact};
      for (const RecordValues* side : {&sum.lost, &sum.gained}) {
        const std::vector<Json> cells = share(*side);
        row.insert(row.end(), cells.begin(), cells.end());
      }
      row.insert(row.end(), {mean_value(sum.lost), mean_value(sum.gained)});
      table.rows.push_back(std::move(row));
    }
    std::stable_sort(table.rows.begin(), table.rows.end(), [](const auto& a, const auto& b) {
      return std::fabs(a[9].template get<double>()) > std::fabs(b[9].template get<double>());
    });
    const std::vector<Json>& top = table.rows.front();
    if (is_defined(range_)) {
      result->findings.push_back(
          fmt::format("By block, {} carries most: {:.3f} lost and {:.3f} gained, its nodes' shares added up. Those of "
                      "all nodes add up to {:.3f} lost and {:.3f} gained.",
                      top[0].get<std::string>(), top[3].get<double>(), top[6].get<double>(), share_value(whole.lost),
                      share_value(whole.gained)));
    }
    result->tables.push_back(std::move(table));
  }

  // Of the loss with what the weights did and with the circuit, of the estimate with what it estimates.
  void relations_found(AnalysisResult* result) {
    std::vector<float> effects, changes, inside;
    std::vector<double> estimated, exact;
    for (int64_t u = 0; u < graph_.n_upstream(); ++u) {
      const double lost = std::fabs(mean_value(found_.best(u).lost));
      if (is_exact(u)) {
        estimated.push_back(mean_value(found_.estimate[u].lost));
        exact.push_back(mean_value(found_.exact[u].lost));
      }
      if (std::isnan(change_[u])) continue;
      effects.push_back(static_cast<float>(lost));
      changes.push_back(static_cast<float>(change_[u]));
      inside.push_back(in_circuit_[u] ? 1 : 0);
    }
    // Of what does not vary there is no correlation.
    const auto with = [&](const char* what, const std::vector<float>& values) {
      const double rho = rank_correlation(effects, values);
      if (std::isnan(rho)) return;
      result->findings.push_back(
          fmt::format("Size of the loss against {}: Spearman's rho {:.2f} over {} nodes.", what, rho, effects.size()));
    };
    with("how far the node's weights moved", changes);
    with("being in the circuit", inside);
    const Agreement agreed = agreement(estimated, exact);
    if (!std::isnan(agreed.pearson)) {
      result->findings.push_back(
          fmt::format("The first-order estimate of the loss and the loss itself: Pearson's r {:.2f} over {} nodes.",
                      agreed.pearson, agreed.edges));
    }
  }

  ModelStates& states_;
  int64_t last_;
  const Graph& graph_;
  const Model& base_;
  const Model& tuned_;
  const RecordedDiscovery& discovery_;
  Rng rng_;
  NodePatching found_;
  std::vector<double> change_;
  RecordValues gain_;
  MetricRange range_;
  std::vector<bool> in_circuit_;
  std::vector<int64_t> order_;  // exact ones first, by |lost|
};

AnalysisResult run_node_patching(const AnalysisInput& input) { return Patched(input).result(); }

}  // namespace

Analysis node_patching_analysis() {
  return {"node-patching", "which nodes carry what was learned: each patched into the other model", true,
          run_node_patching};
}

}  // namespace circuit
