#include "evaluation/span_circuit.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/setting_name.h"
#include "evaluation/evaluation_text.h"
#include "intervention/masked_run.h"
#include "scoring/finer_files.h"
#include "scoring/gradient_methods.h"
#include "scoring/memory.h"

namespace circuit {
namespace {

constexpr const char* kSpanCircuit = "circuit of spans";

int64_t edges_of(const std::vector<SpanPair>& pairs) {
  std::set<int64_t> edges;
  for (const SpanPair& p : pairs) edges.insert(p.edge);
  return static_cast<int64_t>(edges.size());
}

std::vector<SpanPair> first_pairs(const std::vector<SpanPair>& order, int64_t n) {
  return {order.begin(), order.begin() + std::min<int64_t>(n, static_cast<int64_t>(order.size()))};
}

// Pairs of every edge; of `edges`, if given, alone.
std::vector<SpanPair> pairs_of(const Graph& graph, int64_t spans, const std::set<int64_t>* edges) {
  std::vector<SpanPair> pairs;
  for (int64_t e = 0; e < graph.n_edges(); ++e) {
    if (edges != nullptr && edges->count(e) == 0) continue;
    for (int64_t where = 0; where < spans; ++where) {
      for (int64_t whom = 0; whom < spans; ++whom) pairs.push_back({e, where, whom});
    }
  }
  return pairs;
}

std::vector<SpanPair> all_but(const std::vector<SpanPair>& all, const std::vector<SpanPair>& some) {
  const auto key = [](const SpanPair& p) { return std::tuple(p.edge, p.where, p.whom); };
  std::set<std::tuple<int64_t, int64_t, int64_t>> out;
  for (const SpanPair& p : some) out.insert(key(p));
  std::vector<SpanPair> rest;
  std::copy_if(all.begin(), all.end(), std::back_inserter(rest),
               [&](const SpanPair& p) { return out.count(key(p)) == 0; });
  return rest;
}

at::Tensor masks_of(const std::vector<SpanPair>& pairs, int64_t spans, int64_t edges) {
  at::Tensor masks = at::zeros({spans, spans, edges}, at::kFloat);
  auto* values = masks.data_ptr<float>();
  for (const SpanPair& p : pairs) values[(p.where * spans + p.whom) * edges + p.edge] = 1;
  return masks;
}

void check_spans(const std::vector<const Example*>& examples, const std::vector<std::string>& names) {
  for (const Example* e : examples) {
    for (const Span& span : e->spans) {
      if (std::find(names.begin(), names.end(), span.name) == names.end())
        fail(e->place, "span '{}' is none of the scores': they have {}.", span.name, fmt::join(names, ", "));
    }
  }
}

// The graph of the model that has the file's edges.
Graph graph_of(const SpanFile& file, const Model& model, const std::string& path) {
  const Architecture& a = model.architecture();
  int64_t blocks = 0;
  std::set<std::string> writers;
  for (const std::string& edge : file.edges) writers.insert(edge.substr(0, edge.find("->")));
  for (const std::string& writer : writers) blocks += writer.rfind("m0.b", 0) == 0 ? 1 : 0;
  const int64_t channels = a.mlp_channels(0);
  if (blocks > 0 && channels % blocks != 0)
    fail(path, "edges of {} blocks of an MLP, where the model's has {} channels.", blocks, channels);
  Graph graph(a, KeyValueNodes::kGrouped, blocks > 0 ? channels / blocks : 0);
  bool same = graph.n_edges() == static_cast<int64_t>(file.edges.size());
  for (int64_t e = 0; same && e < graph.n_edges(); ++e) same = graph.edge_name(e) == file.edges[e];
  if (!same) {
    fail(path,
         "its {} edges are not the model's {}. Give the model that was scored, and scores without keys and values per "
         "query head.",
         file.edges.size(), graph.n_edges());
  }
  return graph;
}

}  // namespace

void SpanSpec::declare(Settings* s) {
  s->add("span_scores", &file, "Edges between spans instead of whole ones: the scores by spans that discover writes.")
      .since_version("0.3");
  s->add("top_pairs", &top, "How many pairs of an edge and its spans are kept, by |score|.")
      .at_least(0)
      .since_version("0.3");
}

std::vector<SpanPair> ranked_pairs(const SpanScores& scores) {
  const auto spans = static_cast<int64_t>(scores.names.size());
  std::vector<SpanPair> order;
  for (size_t i = 0; i < scores.values.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    if (scores.values[i] != 0) order.push_back({at / (spans * spans), at / spans % spans, at % spans});
  }
  std::stable_sort(order.begin(), order.end(), [&](const SpanPair& a, const SpanPair& b) {
    return std::fabs(scores.at(a.edge, a.where, a.whom)) > std::fabs(scores.at(b.edge, b.where, b.whom));
  });
  return order;
}

std::vector<CircuitOutcome> run_span_circuits(const Model& model, const Graph& graph,
                                              const std::vector<const Example*>& examples, const ScoreSpec& spec,
                                              const std::vector<std::string>& names,
                                              const std::vector<std::vector<SpanPair>>& sets,
                                              const ProgressCallback& progress) {
  check_masked(model, graph, kSpanCircuit);
  check_spans(examples, names);
  const auto spans = static_cast<int64_t>(names.size());
  const auto ablated = ablated_outputs(model, graph, examples, spec);
  struct Held {
    NodeOutputs outputs;
    std::unique_ptr<MaskedRunner> runner;
    at::Tensor labels;
  };
  return judge_runs(model, examples, spec, sets.size(), progress, [&](const ScoreBatch& batch) -> BatchRuns {
    const auto held = std::make_shared<Held>();
    held->outputs = ablated->of(batch.examples, batch.clean);
    held->runner = std::make_unique<MaskedRunner>(model, graph, batch.clean.tokens, held->outputs);
    held->labels = span_labels(batch.examples, names).to(model.device());
    return [&, held](size_t i) {
      return held->runner->run_spans(masks_of(sets[i], spans, graph.n_edges()).to(model.device()), held->labels);
    };
  });
}

SpanEvaluation evaluate_span_circuit(const Model& model, const Graph& graph, const SpanScores& scores, int64_t top,
                                     bool curve, const std::vector<const Example*>& examples, const ScoreSpec& spec,
                                     Rng& rng, const ProgressCallback& progress) {
  const auto spans = static_cast<int64_t>(scores.names.size());
  const std::vector<SpanPair> order = ranked_pairs(scores);
  const std::vector<SpanPair> kept = first_pairs(order, top);
  const std::vector<SpanPair> all = pairs_of(graph, spans, nullptr);
  std::set<int64_t> edges;
  for (const SpanPair& p : kept) edges.insert(p.edge);
  std::vector<std::vector<SpanPair>> sets{all, {}, kept, all_but(all, kept), pairs_of(graph, spans, &edges)};
  const size_t first_of_curve = sets.size();
  SpanEvaluation result;
  for (const double share : curve ? curve_shares() : std::vector<double>()) {
    sets.push_back(first_pairs(order, static_cast<int64_t>(share * static_cast<double>(order.size()))));
    result.curve.push_back({share, static_cast<int64_t>(sets.back().size()), edges_of(sets.back()), {}});
  }
  const std::vector<CircuitOutcome> runs =
      run_span_circuits(model, graph, examples, spec, scores.names, sets, progress);
  const CircuitOutcome &full = runs[0], &empty = runs[1], &alone = runs[2];
  result.names = scores.names;
  result.examples = static_cast<int64_t>(examples.size());
  result.scored = static_cast<int64_t>(order.size());
  result.pairs = static_cast<int64_t>(kept.size());
  result.edges = static_cast<int64_t>(edges.size());
  result.full = means_of(full, rng);
  result.empty = means_of(empty, rng);
  result.circuit = means_of(alone, rng);
  result.range = metric_range(full, empty, rng);
  if (!is_defined(result.range)) {
    result.curve.clear();
    return result;
  }
  result.faithfulness = faithfulness(alone, full, empty, rng);
  result.completeness_gap = faithfulness(runs[3], full, empty, rng);
  result.everywhere = faithfulness(runs[4], full, empty, rng);
  result.less_than_everywhere = faithfulness_difference(alone, runs[4], full, empty, rng);
  for (size_t i = 0; i < result.curve.size(); ++i) {
    result.curve[i].faithfulness = faithfulness(runs[first_of_curve + i], full, empty, rng);
  }
  return result;
}

SpanEvaluation evaluate_span_circuit(const EvaluateRequest& r, const SpanSpec& spans) {
  if (spans.top == 0) throw UsageError(fmt::format("[{}] scores need it: how many are kept.", setting("top_pairs")));
  SpanFile file = read_span_scores(spans.file);
  ScoreSpec spec(find_metric(r.metric));
  spec.ablation = r.ablation;
  const OpenModel open(r.model, r.compute);
  const Graph graph = graph_of(file, open.model, spans.file);
  const auto scored = static_cast<int64_t>(ranked_pairs(file.scores).size());
  if (scored == 0) fail(spans.file, "every score is zero: there is no order of pairs in it.");
  if (scored < spans.top) log_warning("{}: {} pairs have a score that is not 0, and all are kept.", spans.file, scored);
  const ScoredRecords records(r.data, r.ablation_data, open, r.records, &spec);
  spec.batch = batch_in_memory(plan_circuits(open.model, graph, longest_of(records.examples)), r.batch, r.compute);
  Rng rng = Rng(r.seed).split("spans");
  SpanEvaluation found;
  {
    Progress progress("evaluate", static_cast<int64_t>(records.examples.size()));
    found = evaluate_span_circuit(open.model, graph, file.scores, spans.top, r.what.curve, records.examples, spec, rng,
                                  [&](int64_t done, int64_t) { progress.update(done); });
  }
  if (!found.faithfulness) log_warning("{}", why_undefined(found.range));
  return found;
}

}  // namespace circuit
