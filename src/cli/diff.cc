#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>

#include "cli/command.h"
#include "cli/outputs.h"
#include "cli/validators.h"
#include "core/error.h"
#include "core/table.h"
#include "dynamics/circuit_diff.h"
#include "dynamics/weight_diff.h"
#include "graph/svg.h"
#include "io/files.h"
#include "io/json.h"
#include "store/recorded_circuit.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

struct Options {
  CommonOptions common;
  std::string a, b, svg;
  int64_t top = 10;
};

// One side: a circuit with what to call it, or a model's directory.
struct Side {
  std::string name;
  std::optional<CircuitFile> circuit;
};

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

Side circuit_of_run(const std::string& run, std::optional<int64_t> step) {
  RecordedCircuit found = read_recorded_circuit(run, step);
  return {fmt::format("{}, discovery of step {}", run, found.step), std::move(found.file)};
}

Side open_side(const std::string& text) {
  if (!file_exists(text)) {
    if (const auto run = run_and_step(text)) return circuit_of_run(run->first, run->second);
  }
  if (file_exists(text + "/run.db")) return circuit_of_run(text, std::nullopt);
  if (fs::is_directory(text)) {
    if (!file_exists(text + "/config.json")) fail(text, "neither a run (run.db) nor a model (config.json) is in it.");
    return {text, std::nullopt};
  }
  if (!file_exists(text)) fail(text, "there is no such circuit file, run, RUN:STEP or model directory.");
  return {text, read_circuit(text)};
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

// JSON has no NaN.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json circuits_json(const Side& a, const Side& b, const Graph& graph, const CircuitDiff& d, int64_t top) {
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
          {"rank_correlation", number(d.rank_correlation)},
          {"rank_correlation_abs", number(d.rank_correlation_abs)},
          {"largest_changes", changes}};
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

void print_circuits(const Side& a, const Side& b, const Graph& graph, const CircuitDiff& d, int64_t top) {
  fmt::print("A: {}\nB: {}\n\n", a.name, b.name);
  fmt::print("{}\n", format_table({{"", "A", "B", "shared", "only A", "only B"},
                                   count_row("edges", d.edges),
                                   count_row("upstream nodes", d.upstream),
                                   count_row("downstream nodes", d.downstream)}));
  fmt::print("Jaccard of edges  {:.3f}   of nodes {:.3f}\n", d.jaccard_edges, d.jaccard_nodes);
  fmt::print(
      "by chance         {:.3f}   {:.1f} ± {:.1f} shared edges, for random circuits of these sizes out of "
      "{}\n",
      d.chance.jaccard, d.chance.mean, d.chance.sd, with_commas(graph.n_edges()));
  fmt::print("rank correlation  {}   of |score| {}, over all edges\n\n", correlation_text(d.rank_correlation),
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
  fmt::print("{}", format_table(rows));
}

int diff_two_circuits(const Options& o, Side a, Side b) {
  // Where one file shares key and value readers and the other does not, both are compared shared.
  const bool ungrouped = a.circuit->shape.graph().ungrouped() && b.circuit->shape.graph().ungrouped();
  const Graph graph = (ungrouped || !a.circuit->shape.graph().ungrouped() ? a : b).circuit->shape.graph();
  a.circuit = on_graph(std::move(*a.circuit), graph, a.name);
  b.circuit = on_graph(std::move(*b.circuit), graph, b.name);
  const CircuitDiff d =
      diff_circuits(graph, a.circuit->circuit, a.circuit->scores, b.circuit->circuit, b.circuit->scores);
  if (!o.svg.empty()) {
    write_file(o.svg,
               to_svg_of_two(graph, a.circuit->circuit, a.circuit->scores, b.circuit->circuit, b.circuit->scores));
  }
  if (o.common.json) {
    fmt::print("{}\n", circuits_json(a, b, graph, d, o.top).dump());
  } else {
    print_circuits(a, b, graph, d, o.top);
  }
  return 0;
}

Json weights_json(const Side& a, const Side& b, const WeightDiff& d) {
  Json nodes = Json::array();
  for (const NodeChange& n : d.nodes) {
    nodes.push_back({{"node", n.node},
                     {"elements", n.elements},
                     {"changed", n.changed},
                     {"norm", number(n.norm)},
                     {"change_norm", number(n.change_norm)},
                     {"relative", number(n.relative())}});
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

void print_weights(const Side& a, const Side& b, const WeightDiff& d, int64_t top) {
  fmt::print("A: {}\nB: {}\n\n", a.name, b.name);
  fmt::print("{} of {} tensors are the same bytes; {} of {} elements differ ({:.3f} %)\n", d.identical_tensors,
             d.tensors, with_commas(d.changed_elements), with_commas(d.elements),
             d.elements == 0 ? 0 : 100 * static_cast<double>(d.changed_elements) / static_cast<double>(d.elements));
  for (const std::string& name : d.only_a) fmt::print("only in A: {}\n", name);
  for (const std::string& name : d.only_b) fmt::print("only in B: {}\n", name);
  if (d.nodes.empty()) return;
  std::vector<std::vector<std::string>> rows{{"node", "change/norm", "change", "changed", "elements"}};
  const auto shown = std::min(d.nodes.size(), static_cast<size_t>(top));
  for (size_t i = 0; i < shown; ++i) {
    const NodeChange& n = d.nodes[i];
    rows.push_back({n.node, fmt::format("{:.3e}", n.relative()), fmt::format("{:.4g}", n.change_norm),
                    with_commas(n.changed), with_commas(n.elements)});
  }
  fmt::print("\n{}", format_table(rows));
  if (shown < d.nodes.size()) fmt::print("and {} more nodes; --top N shows more, --json all\n", d.nodes.size() - shown);
}

int diff_two_models(const Options& o, const Side& a, const Side& b) {
  if (!o.svg.empty()) throw UsageError("[diff] --svg draws two circuits: these are models.");
  const OpenModel open(a.name, o.common);
  // A mapping of its own: the model's parameters may be views of the other.
  const WeightDiff d = diff_weights(Checkpoint::open(a.name), open.model, Checkpoint::open(b.name));
  if (o.common.json) {
    fmt::print("{}\n", weights_json(a, b, d).dump());
  } else {
    print_weights(a, b, d, o.top);
  }
  return 0;
}

int run(const Options& o) {
  apply_common(o.common);
  check_outputs({o.a, o.b}, {{"--svg", o.svg}});
  Side a = open_side(o.a);
  Side b = open_side(o.b);
  if (a.circuit.has_value() != b.circuit.has_value()) {
    fail("diff", "{} is a circuit and {} a model: compare two circuits or two models.", a.circuit ? o.a : o.b,
         a.circuit ? o.b : o.a);
  }
  return a.circuit ? diff_two_circuits(o, std::move(a), std::move(b)) : diff_two_models(o, a, b);
}

}  // namespace

void add_diff(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<Options>();
  CLI::App* command =
      program.add_subcommand("diff", "two circuits (files, runs, steps of a run) or two models compared");
  command->footer(
      "Examples:\n  circuit diff before.json after.json\n  circuit diff runs/agreement:0 runs/agreement:500\n"
      "  circuit diff runs/agreement:0 runs/agreement --svg moved.svg\n  circuit diff gpt2 tuned --top 40");
  command->add_option("A", o->a, "circuit file, RUN (its last circuit), RUN:STEP, or model directory")->required();
  command->add_option("B", o->b, "the same")->required();
  command->add_option("--top", o->top, "rows of the largest changes")->capture_default_str()->check(at_least(1));
  command->add_option("--svg", o->svg, "draw both circuits into this file: what stayed, left and entered");
  add_common(*command, &o->common);
  command->callback([o, chosen] { *chosen = [o] { return run(*o); }; });
}

}  // namespace circuit
