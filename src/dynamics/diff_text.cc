#include "dynamics/diff_text.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <vector>

#include "core/error.h"
#include "core/setting_name.h"
#include "core/table.h"
#include "io/files.h"
#include "io/gguf.h"
#include "io/json.h"
#include "store/recorded_circuit.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

// "runs/x:500" → run and step, where that is what it is.
std::optional<std::pair<std::string, int64_t>> run_and_step(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  int64_t step = -1;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + colon + 1, end, step);
  const std::string run = text.substr(0, colon);
  if (parsed.ec != std::errc() || parsed.ptr != end || step < 0 || !file_exists(run + "/run.db")) return std::nullopt;
  return std::pair(run, step);
}

DiffSide circuit_of_run(const std::string& run, std::optional<int64_t> step) {
  RecordedCircuit found = read_recorded_circuit(run, step);
  return {fmt::format("{}, discovery of step {}", run, found.step), std::move(found.file)};
}

std::vector<std::string> edge_names(const Graph& graph, const std::vector<int64_t>& ids) {
  std::vector<std::string> names;
  for (const int64_t id : ids) names.push_back(graph.edge_name(id));
  return names;
}

template <typename NameOf>
Json set_json(const SetDiff& diff, const NameOf& name_of) {
  const auto names = [&](const std::vector<int64_t>& ids) {
    Json list = Json::array();
    for (const int64_t id : ids) list.push_back(name_of(id));
    return list;
  };
  return {{"shared", names(diff.shared)}, {"added", names(diff.added)}, {"removed", names(diff.removed)}};
}

std::vector<std::string> count_row(const std::string& name, const SetDiff& d) {
  const auto count = [](size_t n) { return with_commas(static_cast<int64_t>(n)); };
  return {name,
          count(d.shared.size() + d.removed.size()),
          count(d.shared.size() + d.added.size()),
          count(d.shared.size()),
          count(d.removed.size()),
          count(d.added.size())};
}

std::string correlation_text(double value) { return std::isnan(value) ? "undefined" : fmt::format("{:.3f}", value); }

}  // namespace

DiffSide open_diff_side(const std::string& text) {
  if (!file_exists(text)) {
    if (const auto run = run_and_step(text)) return circuit_of_run(run->first, run->second);
  }
  if (file_exists(text + "/run.db")) return circuit_of_run(text, std::nullopt);
  if (gguf_of(text)) return {text, std::nullopt};
  if (fs::is_directory(text)) {
    if (!file_exists(text + "/config.json")) fail(text, "neither a run (run.db) nor a model (config.json) is in it.");
    return {text, std::nullopt};
  }
  if (!file_exists(text)) fail(text, "there is no such circuit file, run, RUN:STEP or model directory.");
  return {text, read_circuit(text)};
}

Graph on_one_graph(DiffSide* a, DiffSide* b) {
  const bool ungrouped = a->circuit->shape.graph().ungrouped() && b->circuit->shape.graph().ungrouped();
  Graph graph = (ungrouped || !a->circuit->shape.graph().ungrouped() ? *a : *b).circuit->shape.graph();
  a->circuit = on_graph(std::move(*a->circuit), graph, a->name);
  b->circuit = on_graph(std::move(*b->circuit), graph, b->name);
  return graph;
}

Json circuits_json(const DiffSide& a, const DiffSide& b, const Graph& graph, const CircuitDiff& d, int64_t top) {
  Json changes = Json::array();
  for (size_t i = 0; i < std::min(d.changes.size(), static_cast<size_t>(top)); ++i) {
    const ScoreChange& c = d.changes[i];
    changes.push_back({{"edge", graph.edge_name(c.edge)}, {"before", c.before}, {"after", c.after}});
  }
  return {{"a", a.name},
          {"b", b.name},
          {"graph_edges", graph.n_edges()},
          {"edges", set_json(d.edges, [&](int64_t id) { return graph.edge_name(id); })},
          {"upstream", set_json(d.upstream, [&](int64_t id) { return graph.upstream_name(id); })},
          {"downstream", set_json(d.downstream, [&](int64_t id) { return graph.downstream_name(id); })},
          {"jaccard_edges", d.jaccard_edges},
          {"jaccard_nodes", d.jaccard_nodes},
          {"chance", {{"shared", d.chance.mean}, {"sd", d.chance.sd}, {"jaccard", d.chance.jaccard}}},
          {"rank_correlation", number_or_null(d.rank_correlation)},
          {"rank_correlation_abs", number_or_null(d.rank_correlation_abs)},
          {"largest_changes", changes}};
}

std::string circuits_text(const DiffSide& a, const DiffSide& b, const Graph& graph, const CircuitDiff& d, int64_t top) {
  std::string text;
  text += fmt::format("A: {}\nB: {}\n\n", a.name, b.name);
  text += fmt::format("{}\n", format_table({{"", "A", "B", "shared", "only A", "only B"},
                                            count_row("edges", d.edges),
                                            count_row("upstream nodes", d.upstream),
                                            count_row("downstream nodes", d.downstream)}));
  text += fmt::format("Jaccard of edges  {:.3f}   of nodes {:.3f}\n", d.jaccard_edges, d.jaccard_nodes);
  text += fmt::format(
      "by chance         {:.3f}   {:.1f} ± {:.1f} shared edges, for random circuits of these sizes out of "
      "{}\n",
      d.chance.jaccard, d.chance.mean, d.chance.sd, with_commas(graph.n_edges()));
  text += fmt::format("rank correlation  {}   of |score| {}, over all edges\n\n", correlation_text(d.rank_correlation),
                      correlation_text(d.rank_correlation_abs));
  const std::vector<std::string> shared = edge_names(graph, d.edges.shared);
  std::vector<std::vector<std::string>> rows{{"largest changes", "A", "B", "change", ""}};
  for (size_t i = 0; i < std::min(d.changes.size(), static_cast<size_t>(top)); ++i) {
    const ScoreChange& c = d.changes[i];
    const auto in = [&](const std::vector<int64_t>& ids) { return std::binary_search(ids.begin(), ids.end(), c.edge); };
    rows.push_back({graph.edge_name(c.edge), fmt::format("{:+.4g}", c.before), fmt::format("{:+.4g}", c.after),
                    fmt::format("{:+.4g}", c.after - c.before),
                    in(d.edges.added)     ? "entered"
                    : in(d.edges.removed) ? "left"
                                          : "stayed"});
  }
  text += fmt::format("{}", format_table(rows));
  return text;
}

Json weights_json(const DiffSide& a, const DiffSide& b, const WeightDiff& d) {
  Json nodes = Json::array();
  for (const NodeChange& n : d.nodes) {
    nodes.push_back({{"node", n.node},
                     {"elements", n.elements},
                     {"changed", n.changed},
                     {"norm", number_or_null(n.norm)},
                     {"change_norm", number_or_null(n.change_norm)},
                     {"relative", number_or_null(n.relative())}});
  }
  return {{"a", a.name},
          {"b", b.name},
          {"tensors", d.tensors},
          {"identical_tensors", d.identical_tensors},
          {"changed_tensors", d.changed_tensors},
          {"only_a", d.only_a},
          {"only_b", d.only_b},
          {"elements", d.elements},
          {"changed_elements", d.changed_elements},
          {"nodes", nodes}};
}

std::string weights_text(const DiffSide& a, const DiffSide& b, const WeightDiff& d, int64_t top) {
  std::string text;
  text += fmt::format("A: {}\nB: {}\n\n", a.name, b.name);
  text += fmt::format(
      "{} of {} tensors are the same bytes; {} of {} elements differ ({:.3f} %)\n", d.identical_tensors, d.tensors,
      with_commas(d.changed_elements), with_commas(d.elements),
      d.elements == 0 ? 0 : 100 * static_cast<double>(d.changed_elements) / static_cast<double>(d.elements));
  for (const std::string& name : d.only_a) text += fmt::format("only in A: {}\n", name);
  for (const std::string& name : d.only_b) text += fmt::format("only in B: {}\n", name);
  if (d.nodes.empty()) return text;
  std::vector<std::vector<std::string>> rows{{"node", "change/norm", "change", "changed", "elements"}};
  const auto shown = std::min(d.nodes.size(), static_cast<size_t>(top));
  for (size_t i = 0; i < shown; ++i) {
    const NodeChange& n = d.nodes[i];
    rows.push_back({n.node, fmt::format("{:.3e}", n.relative()), fmt::format("{:.4g}", n.change_norm),
                    with_commas(n.changed), with_commas(n.elements)});
  }
  text += fmt::format("\n{}", format_table(rows));
  if (shown < d.nodes.size())
    text += fmt::format("and {} more nodes; {} N shows more, {} all\n", d.nodes.size() - shown, setting("top"),
                        setting("json"));
  return text;
}

}  // namespace circuit
