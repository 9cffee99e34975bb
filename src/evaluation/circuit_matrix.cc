#include "evaluation/circuit_matrix.h"

#include <fmt/format.h>

#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/table.h"
#include "evaluation/estimate_text.h"
#include "evaluation/evaluation_text.h"
#include "graph/circuit_file.h"
#include "graph/overlap.h"
#include "scoring/memory.h"

namespace circuit {
namespace {

std::vector<Circuit> circuits_on(const Graph& graph, const OpenModel& open, const std::vector<std::string>& files) {
  std::vector<Circuit> circuits;
  for (const std::string& path : files) {
    CircuitFile file = read_circuit(path);
    const Graph own = file.shape.graph_of(open.model.architecture(), path);
    // A file of another form could be converted, but its cell would not be what it is alone.
    if (own.kv_nodes() != graph.kv_nodes() || own.n_upstream() != graph.n_upstream()) {
      fail(path,
           "found {} upstream nodes and {} key nodes a layer, expected {} and {} as in {}. Give circuits of one graph, "
           "alike in what is split.",
           own.n_upstream(), own.kv_nodes(), graph.n_upstream(), graph.kv_nodes(), files[0]);
    }
    circuits.push_back(on_graph(std::move(file), graph, path).circuit);
  }
  return circuits;
}

std::vector<CircuitEvaluation> evaluate_task(const EvaluateRequest& r, const OpenModel& open, const Graph& graph,
                                             const std::string& data, const std::vector<Circuit>& given,
                                             const std::vector<Circuit>& run) {
  ScoreSpec spec(find_metric(r.metric));
  spec.ablation = r.ablation;
  const ScoredRecords records(data, r.ablation_data, open, r.records, &spec);
  spec.batch = batch_in_memory(plan_circuits(open.model, graph, longest_of(records.examples)), r.batch, r.compute);
  std::vector<Circuit> all{whole(graph), Circuit()};
  all.insert(all.end(), run.begin(), run.end());
  Progress progress("evaluate", static_cast<int64_t>(records.examples.size()));
  const std::vector<CircuitOutcome> outcomes = run_circuits(open.model, graph, records.examples, spec, all,
                                                            [&](int64_t done, int64_t) { progress.update(done); });
  std::vector<CircuitEvaluation> row;
  for (size_t c = 0; c < given.size(); ++c) {
    // The numbers that evaluate_file draws with, from their beginning; before intervals it draws edges to take out.
    Rng rng = Rng(r.seed).split("evaluate");
    without_sampled_edges(run[c], 0, rng);
    row.push_back(judge_circuit(graph, given[c], run[c], outcomes[0], outcomes[1], outcomes[2 + c], rng));
  }
  return row;
}

}  // namespace

CircuitMatrix evaluate_matrix(const EvaluateRequest& r, const std::vector<std::string>& data,
                              const std::vector<std::string>& circuits) {
  find_metric(r.metric);
  const OpenModel open(r.model, r.compute);
  const Graph graph = read_circuit(circuits.at(0)).shape.graph_of(open.model.architecture(), circuits[0]);
  const std::vector<Circuit> given = circuits_on(graph, open, circuits);
  std::vector<Circuit> run;
  for (const Circuit& c : given) run.push_back(as_run(graph, c, r.what.pruning));
  CircuitMatrix matrix{data, circuits, {}, {}};
  for (const std::string& task : data) {
    matrix.cells.push_back(evaluate_task(r, open, graph, task, given, run));
    const CircuitEvaluation& first = matrix.cells.back()[0];
    if (!first.faithfulness) log_warning("{}: {}", task, why_undefined(first));
  }
  for (const Circuit& a : run) {
    matrix.overlap.emplace_back();
    for (const Circuit& b : run) matrix.overlap.back().push_back(jaccard_edges(a, b));
  }
  return matrix;
}

Json matrix_json(const CircuitMatrix& m, const std::string& metric, const std::string& ablation) {
  Json tasks = Json::array();
  Json circuits = Json::array();
  Json faithfulness = Json::array();
  Json values = Json::array();
  for (size_t t = 0; t < m.tasks.size(); ++t) {
    const CircuitEvaluation& any = m.cells[t][0];
    tasks.push_back({{"data", m.tasks[t]},
                     {"examples", any.examples},
                     {"full", estimate_json(any.full.metric)},
                     {"empty", estimate_json(any.empty.metric)}});
    if (!any.faithfulness) tasks.back()["not_defined"] = why_undefined(any);
    Json row = Json::array();
    Json metrics = Json::array();
    for (const CircuitEvaluation& cell : m.cells[t]) {
      row.push_back(cell.faithfulness ? estimate_json(*cell.faithfulness) : Json(nullptr));
      metrics.push_back(estimate_json(cell.circuit.metric));
    }
    faithfulness.push_back(std::move(row));
    values.push_back(std::move(metrics));
  }
  for (size_t c = 0; c < m.circuits.size(); ++c) {
    const CircuitEvaluation& any = m.cells[0][c];
    circuits.push_back({{"circuit", m.circuits[c]}, {"edges", any.edges}, {"edges_pruned", any.edges_run}});
  }
  return {{"metric", metric},
          {"ablation", ablation},
          {"graph_edges", m.cells[0][0].graph_edges},
          {"matrix",
           {{"tasks", tasks},
            {"circuits", circuits},
            {"faithfulness", faithfulness},
            {"values", values},
            {"overlap", m.overlap}}}};
}

std::string matrix_text(const Json& json) {
  const Json& m = json["matrix"];
  std::vector<std::vector<std::string>> rows{{"faithfulness"}};
  std::vector<std::vector<std::string>> overlap{{"overlap of edges", "edges run"}};
  for (const Json& c : m["circuits"]) {
    rows[0].push_back(c["circuit"].get<std::string>());
    overlap[0].push_back(c["circuit"].get<std::string>());
  }
  for (size_t t = 0; t < m["tasks"].size(); ++t) {
    rows.push_back({m["tasks"][t]["data"].get<std::string>()});
    for (const Json& cell : m["faithfulness"][t]) rows.back().push_back(short_estimate(cell));
  }
  for (size_t c = 0; c < m["circuits"].size(); ++c) {
    const Json& own = m["circuits"][c];
    overlap.push_back({own["circuit"].get<std::string>(), std::to_string(own["edges_pruned"].get<int64_t>())});
    for (const Json& index : m["overlap"][c]) overlap.back().push_back(fmt::format("{:.3f}", index.get<double>()));
  }
  return format_table(rows) + "\n" + format_table(overlap);
}

}  // namespace circuit
