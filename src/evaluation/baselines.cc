#include "evaluation/baselines.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace circuit {
namespace {

Circuit circuit_of(std::vector<int64_t> edges) {
  std::sort(edges.begin(), edges.end());
  return {std::move(edges)};
}

// Ties by edge order, as selectors have them.
std::vector<int64_t> ranking_of(const EdgeScores& scores) {
  std::vector<int64_t> ranking(scores.values.size());
  std::iota(ranking.begin(), ranking.end(), 0);
  std::stable_sort(ranking.begin(), ranking.end(),
                   [&](int64_t a, int64_t b) { return scores.values[a] > scores.values[b]; });
  return ranking;
}

// Mean over runs of each example's metric.
CircuitOutcome mean_metric(const std::vector<CircuitOutcome>& runs) {
  CircuitOutcome mean;
  mean.metric.assign(runs[0].metric.size(), 0);
  for (const CircuitOutcome& run : runs) {
    for (size_t i = 0; i < mean.metric.size(); ++i) mean.metric[i] += run.metric[i] / static_cast<double>(runs.size());
  }
  return mean;
}

double average(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

SizedBaseline circuit_of_size(const Graph& graph, const std::vector<int64_t>& ranking, int64_t edges, Pruning pruning) {
  const auto run_of = [&](int64_t n) {
    return as_run(graph, circuit_of({ranking.begin(), ranking.begin() + n}), pruning);
  };
  const auto size = [](const Circuit& c) { return static_cast<int64_t>(c.edges.size()); };
  // A longer start has all that a shorter one has, so that its run has no fewer edges.
  auto least = std::min(edges, graph.n_edges());
  for (int64_t most = graph.n_edges(); least < most;) {
    const int64_t middle = least + (most - least) / 2;
    if (size(run_of(middle)) < edges) {
      least = middle + 1;
    } else {
      most = middle;
    }
  }
  SizedBaseline found;
  found.edges = least;
  found.run = run_of(least);
  for (int64_t r = least - 1; r >= 0 && size(found.run) > edges; --r) {
    Circuit fewer = found.run;
    const auto place = std::lower_bound(fewer.edges.begin(), fewer.edges.end(), ranking[r]);
    if (place == fewer.edges.end() || *place != ranking[r]) continue;
    fewer.edges.erase(place);
    if (as_run(graph, fewer, pruning).edges == fewer.edges) found.run = std::move(fewer);
  }
  found.others = as_run(graph, complement(graph, found.run), pruning);
  return found;
}

std::vector<SizedBaseline> sized_baselines(const Model& model, const Graph& graph,
                                           const std::vector<const Example*>& examples, const ScoreSpec& spec,
                                           int64_t edges, Pruning pruning, int64_t draws, const Rng& rng) {
  std::vector<SizedBaseline> all;
  const auto add = [&](const std::string& name, const std::vector<int64_t>& ranking) {
    all.push_back(circuit_of_size(graph, ranking, edges, pruning));
    all.back().name = name;
  };
  for (int64_t d = 0; d < draws; ++d) {
    Rng own = rng.split("random circuit " + std::to_string(d));
    add("random", permutation(graph.n_edges(), own));
  }
  for (const Scorer& scorer : {magnitude_scorer(), wanda_scorer()}) {
    add(scorer.name, ranking_of(scorer.score(model, graph, examples, spec, {}).scores));
  }
  return all;
}

std::vector<Baseline> judge_baselines(const std::vector<SizedBaseline>& baselines,
                                      const std::vector<CircuitOutcome>& runs,
                                      const std::vector<CircuitOutcome>& others, const CircuitOutcome& circuit,
                                      const CircuitOutcome& full, const CircuitOutcome& empty, bool defined, Rng& rng) {
  const double none = average(empty.metric);
  const auto share = [&](double metric) { return (metric - none) / (average(full.metric) - none); };
  std::vector<Baseline> found;
  for (size_t first = 0; first < baselines.size();) {
    Baseline b;
    b.name = baselines[first].name;
    size_t end = first;
    for (; end < baselines.size() && baselines[end].name == b.name; ++end) {
      BaselineDraw draw;
      draw.edges = baselines[end].edges;
      draw.edges_run = static_cast<int64_t>(baselines[end].run.edges.size());
      draw.metric = average(runs[end].metric);
      if (defined) {
        draw.faithfulness = share(draw.metric);
        draw.completeness_gap = share(average(others[end].metric));
      }
      b.draws.push_back(draw);
    }
    const auto mean = [&](const std::vector<CircuitOutcome>& outcomes) {
      return mean_metric(
          {outcomes.begin() + static_cast<int64_t>(first), outcomes.begin() + static_cast<int64_t>(end)});
    };
    const CircuitOutcome run = mean(runs);
    b.metric = mean_estimate(run.metric, rng);
    if (defined) {
      b.faithfulness = faithfulness(run, full, empty, rng);
      b.completeness_gap = faithfulness(mean(others), full, empty, rng);
      b.difference = faithfulness_difference(circuit, run, full, empty, rng);
      const double own = share(average(circuit.metric));
      const auto as_good = std::count_if(b.draws.begin(), b.draws.end(),
                                         [&](const BaselineDraw& draw) { return *draw.faithfulness >= own; });
      b.as_faithful = static_cast<double>(as_good) / static_cast<double>(b.draws.size());
    }
    found.push_back(std::move(b));
    first = end;
  }
  return found;
}

}  // namespace circuit
