#include "tuning/circuit_policy.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "selection/ranking.h"

namespace circuit {
namespace {

CircuitNodes no_nodes(const Graph& graph) {
  return {std::vector<bool>(graph.n_upstream()), std::vector<bool>(graph.n_downstream())};
}

CircuitNodes matching(const Graph& graph, const std::vector<std::string>& patterns, const std::string& key) {
  CircuitNodes nodes = no_nodes(graph);
  for (const std::string& pattern : patterns) {
    bool any = false;
    for (int64_t u = 0; u < graph.n_upstream(); ++u) {
      if (!matches(pattern, graph.upstream_name(u))) continue;
      nodes.upstream[u] = any = true;
    }
    for (int64_t v = 0; v < graph.n_downstream(); ++v) {
      if (!matches(pattern, graph.downstream_name(v))) continue;
      nodes.downstream[v] = any = true;
    }
    if (any) continue;
    throw UsageError(
        fmt::format("[{}] '{}' is the name of no node. Names are as in {}, {}, {}; * stands for any "
                    "characters.",
                    key, pattern, graph.upstream_name(1), graph.downstream_name(0), graph.upstream_name(graph.mlp(0))));
  }
  return nodes;
}

}  // namespace

void PolicySettings::declare(Settings* s) {
  std::string help = "Which slices are trained, as many parameters as the circuit's have: ";
  for (const SliceChoiceKind& kind : slice_choices()) {
    help += kind.name + " (" + kind.help + ")" + (&kind == &slice_choices().back() ? "." : ", ");
  }
  s->add("slices", &slices, help).one_of(choices_of(slice_choices())).since_version("0.3");
  declare_parameters(slice_choices(), s, &own);
  s->add("schedule", &size,
         {{"constant", SizeSchedule::kConstant},
          {"linear", SizeSchedule::kLinear},
          {"geometric", SizeSchedule::kGeometric}},
         "How N goes from selection.n to selection.n_final over the run.");
  s->add("n_final", &n_final, "N at the last step, unless the schedule is constant.").at_least(0);
  s->add("leave_rank", &leave_rank,
         "Edges of the last circuit stay while they rank among so many, against flicker; 0: off.")
      .at_least(0);
  s->add("extra_random", &extra_random,
         "r: share of the nodes outside the circuit that are trained too, drawn at every discovery.")
      .range(0, 1);
  s->add("extra_outside", &extra_outside,
         "A run: the nodes of selection.extra_random are drawn once, outside its last circuit; empty: outside each "
         "circuit, anew.")
      .since_version("0.3")
      .a_path();
  s->add("always", &always, "Nodes trained in any case, as in ['m3', 'a0.h*']; * stands for any characters.");
  s->add("never", &never, "Nodes never trained, nor their edges selected.");
}

bool matches(const std::string& pattern, const std::string& name) {
  // Where the last * stood, and how much of the name it has taken so far.
  size_t p = 0;
  size_t n = 0;
  size_t star = std::string::npos;
  size_t taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != std::string::npos) {
      p = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

CircuitPolicy::CircuitPolicy(const Graph& graph, const SliceTable& table, PolicySpec spec)
    : graph_(graph),
      table_(table),
      spec_(std::move(spec)),
      always_(matching(graph, spec_.always, "selection.always")),
      never_(matching(graph, spec_.never, "selection.never")) {
  if (spec_.leave_rank != 0 && spec_.leave_rank < std::max(spec_.selection.n, spec_.n_final)) {
    throw UsageError(
        fmt::format("[selection.leave_rank] found {}, expected at least N = {}: an edge leaves at a lower "
                    "rank than it enters.",
                    spec_.leave_rank, std::max(spec_.selection.n, spec_.n_final)));
  }
}

int64_t CircuitPolicy::n_at(int64_t step) const {
  const auto first = static_cast<double>(spec_.selection.n);
  if (spec_.size == SizeSchedule::kConstant || spec_.steps < 2) return spec_.selection.n;
  const auto last = static_cast<double>(std::max<int64_t>(1, spec_.n_final));
  const double done = static_cast<double>(step) / static_cast<double>(spec_.steps - 1);
  const double n =
      spec_.size == SizeSchedule::kLinear ? first + (last - first) * done : first * std::pow(last / first, done);
  return std::max<int64_t>(1, std::llround(n));
}

EdgeScores CircuitPolicy::smoothed(const EdgeScores& scores) {
  if (spec_.smoothing == 0) return scores;
  if (state_.smoothed.empty()) {
    state_.smoothed = scores.values;
  } else {
    for (size_t e = 0; e < scores.values.size(); ++e) {
      state_.smoothed[e] =
          static_cast<float>(spec_.smoothing * state_.smoothed[e] + (1 - spec_.smoothing) * scores.values[e]);
    }
  }
  return {state_.smoothed};
}

// Edges of the last circuit that are still among the leave_rank strongest.
void CircuitPolicy::keep_steady(const EdgeScores& scores, const SelectionSpec& spec, Circuit* circuit) const {
  if (spec_.leave_rank == 0 || state_.edges.empty()) return;
  const std::vector<double> strength = strengths({graph_, scores, table_}, spec);
  const Circuit staying = strongest(strength, spec_.leave_rank);
  std::vector<int64_t> kept;
  std::set_intersection(state_.edges.begin(), state_.edges.end(), staying.edges.begin(), staying.edges.end(),
                        std::back_inserter(kept));
  std::vector<int64_t> all;
  std::set_union(circuit->edges.begin(), circuit->edges.end(), kept.begin(), kept.end(), std::back_inserter(all));
  circuit->edges = std::move(all);
}

// Drawn outside one circuit for the whole run, or outside this one.
void CircuitPolicy::widen(Rng& rng, CircuitNodes* nodes) const {
  if (spec_.extra_random == 0) return;
  if (!spec_.outside) return add_random(CircuitNodes(*nodes), rng, nodes);
  Rng own = Rng(spec_.seed).split("nodes outside");
  add_random(*spec_.outside, own, nodes);
}

// Upstream ids, then downstream ones after them.
void CircuitPolicy::add_random(const CircuitNodes& inside, Rng& rng, CircuitNodes* nodes) const {
  std::vector<int64_t> outside;
  for (int64_t u = 0; u < graph_.n_upstream(); ++u) {
    if (!inside.upstream[u]) outside.push_back(u);
  }
  for (int64_t v = 0; v < graph_.n_downstream(); ++v) {
    if (!inside.downstream[v]) outside.push_back(graph_.n_upstream() + v);
  }
  const auto count = std::llround(spec_.extra_random * static_cast<double>(outside.size()));
  const std::vector<int64_t> order = permutation(static_cast<int64_t>(outside.size()), rng);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t node = outside[order[i]];
    if (node < graph_.n_upstream()) {
      nodes->upstream[node] = true;
    } else {
      nodes->downstream[node - graph_.n_upstream()] = true;
    }
  }
}

Choice CircuitPolicy::choose(int64_t step, const EdgeScores& scores, Rng& rng, const SliceEvidence& evidence) {
  EdgeScores seen = smoothed(scores);
  // A score of zero is never selected.
  for (int64_t e = 0; e < graph_.n_edges(); ++e) {
    const Edge edge = graph_.edge(e);
    if (never_.upstream[edge.upstream] || never_.downstream[edge.downstream]) seen.values[e] = 0;
  }
  SelectionSpec selection = spec_.selection;
  selection.n = n_at(step);
  Choice choice;
  choice.circuit = spec_.selector.select({graph_, seen, table_}, selection, rng);
  keep_steady(seen, selection, &choice.circuit);
  if (spec_.leave_rank > 0) state_.edges = choice.circuit.edges;
  CircuitNodes nodes = nodes_of(graph_, choice.circuit);
  widen(rng, &nodes);
  for (int64_t u = 0; u < graph_.n_upstream(); ++u) {
    nodes.upstream[u] = (nodes.upstream[u] || always_.upstream[u]) && !never_.upstream[u];
  }
  for (int64_t v = 0; v < graph_.n_downstream(); ++v) {
    nodes.downstream[v] = (nodes.downstream[v] || always_.downstream[v]) && !never_.downstream[v];
  }
  choice.slices = table_.of_nodes(nodes, spec_.selection.policy);
  if (spec_.train == PolicySpec::Train::kCircuit && spec_.choice == nullptr) return choice;
  CircuitNodes most = no_nodes(graph_);
  for (size_t u = 0; u < most.upstream.size(); ++u) most.upstream[u] = !never_.upstream[u];
  for (size_t v = 0; v < most.downstream.size(); ++v) most.downstream[v] = !never_.downstream[v];
  const std::vector<int64_t> all = table_.of_nodes(most, spec_.selection.policy);
  if (spec_.choice != nullptr) {
    Rng own = rng.split("slices");
    choice.slices = spec_.choice->choose({table_, choice.slices, all, evidence}, own);
  }
  if (spec_.train == PolicySpec::Train::kCircuit) return choice;
  std::vector<int64_t> rest;
  std::set_difference(all.begin(), all.end(), choice.slices.begin(), choice.slices.end(), std::back_inserter(rest));
  choice.slices = std::move(rest);
  return choice;
}

}  // namespace circuit
