#include "store/recorder.h"

#include <cmath>
#include <filesystem>
#include <utility>

#include "graph/overlap.h"

namespace circuit {
namespace {

// Sum over the circuit's edges of |score|, per node of each side.
std::pair<std::vector<float>, std::vector<float>> strengths(const Graph& graph, const Circuit& circuit,
                                                            const EdgeScores& scores) {
  std::vector<float> up(graph.n_upstream());
  std::vector<float> down(graph.n_downstream());
  for (const int64_t id : circuit.edges) {
    const Edge e = graph.edge(id);
    up[e.upstream] += std::fabs(scores.values[id]);
    down[e.downstream] += std::fabs(scores.values[id]);
  }
  return {up, down};
}

}  // namespace

void Recorder::create(const std::string& path, const Graph& graph, const std::vector<Slice>& slices,
                      const std::map<std::string, std::string>& meta) {
  RunWriter::create(path, graph, slices, meta);
}

Recorder::Recorder(const std::string& path, const Graph& graph, int64_t next_step, RecorderSpec spec)
    : spec_(std::move(spec)), graph_(graph), writer_(std::in_place, path) {
  writer_->drop_from(next_step);
  read_last();
  // In the run's folder, where the store is.
  log_ =
      std::make_unique<RunLog>(writer_->database(), std::filesystem::path(path).parent_path().string(), spec_.loggers);
}

void Recorder::read_last() {
  const auto ends = writer_->first_and_last();
  if (!ends) return;
  last_step_ = ends->second;
  first_ = writer_->circuit(ends->first);
  last_ = writer_->circuit(last_step_);
  // A kill between two checkpoints may have left scores that were for the earlier one.
  for (const int64_t step : writer_->steps_with_scores()) {
    if (step < last_step_ && !spec_.scores.keeps(step)) writer_->keep_scores(step, nullptr);
  }
  last_scores_ = writer_->scores(last_step_, graph_.n_edges());
  if (last_scores_.empty()) return;
  last_ranks_ = ranks_of(last_scores_);
  if (!spec_.scores.keeps(last_step_)) for_resume_ = last_step_;
}

void Recorder::before_checkpoint() {
  if (!writer_) return;
  if (last_scores_.empty() || for_resume_ == last_step_ || spec_.scores.keeps(last_step_)) return;
  writer_->keep_scores(last_step_, &last_scores_);
}

void Recorder::after_checkpoint() {
  if (!writer_) return;
  if (for_resume_ && *for_resume_ != last_step_) writer_->keep_scores(*for_resume_, nullptr);
  for_resume_.reset();
  if (!last_scores_.empty() && !spec_.scores.keeps(last_step_)) for_resume_ = last_step_;
}

void Recorder::discovery(const DiscoveryRecord& found, int64_t trainable_parameters, int64_t all_parameters) {
  if (!writer_) {
    last_ = found.circuit;
    return;
  }
  const CircuitNodes nodes = nodes_of(graph_, found.circuit);
  std::vector<double> ranks = ranks_of(found.scores.values);
  DiscoveryRow row;
  row.step = found.step;
  row.n_edges = static_cast<int64_t>(found.circuit.edges.size());
  row.n_nodes = nodes.count();
  row.trainable_parameters = trainable_parameters;
  row.trainable_share = static_cast<double>(trainable_parameters) / static_cast<double>(all_parameters);
  row.metric = found.metric;
  row.examples = found.examples;
  row.entered = row.n_edges;
  if (last_) {
    row.jaccard_edges_previous = jaccard_edges(*last_, found.circuit);
    row.jaccard_edges_first = jaccard_edges(*first_, found.circuit);
    row.jaccard_nodes_previous = jaccard_nodes(nodes_of(graph_, *last_), nodes);
    row.jaccard_nodes_first = jaccard_nodes(nodes_of(graph_, *first_), nodes);
    if (!last_ranks_.empty()) row.rank_correlation_previous = correlation_of_ranks(last_ranks_, ranks);
    row.entered = entered(*last_, found.circuit);
    row.left = entered(found.circuit, *last_);
  }
  row.sum_rule_error = found.sum_rule_error;
  row.seconds = found.seconds;
  auto [up, down] = strengths(graph_, found.circuit, found.scores);
  writer_->discovery(
      {row, found.circuit, found.scores.values, spec_.scores.keeps(found.step), std::move(up), std::move(down)});
  if (!first_) first_ = found.circuit;
  last_ = found.circuit;
  last_step_ = found.step;
  last_scores_ = found.scores.values;
  last_ranks_ = std::move(ranks);
  log_->discovery(found.step);
}

void Recorder::step(const StepRecord& done) {
  if (!writer_) return;
  StepRow row;
  row.step = done.step;
  row.loss = done.loss;
  if (!std::isnan(done.metric)) row.metric = done.metric;
  row.learning_rate = done.learning_rate;
  row.gradient_norm = done.norms.gradient;
  row.target_tokens = done.target_tokens;
  row.trainable_parameters = done.trainable_parameters;
  row.seconds = done.seconds;
  writer_->step(row, done.norms);
  log_->step(done.step);
}

void Recorder::evaluation(int64_t step, const std::map<std::string, double>& values) {
  if (!writer_) return;
  writer_->evaluation(step, values);
  log_->evaluation(step);
}

Recorder::Totals Recorder::totals() {
  if (!writer_) return {};
  const auto [seconds, largest] = writer_->seconds_and_largest();
  return {seconds, largest};
}

}  // namespace circuit
