#include "scoring/verify.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "scoring/exact.h"

namespace circuit {

Agreement agreement(const std::vector<double>& scores, const std::vector<double>& effects) {
  Agreement result;
  result.edges = static_cast<int64_t>(scores.size());
  const auto n = static_cast<double>(scores.size());
  double mean_s = 0;
  double mean_e = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    mean_s += scores[i] / n;
    mean_e += effects[i] / n;
    if (scores[i] * effects[i] > 0) result.sign_agreement += 1 / n;
  }
  double ss = 0;
  double ee = 0;
  double se = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    const double s = scores[i] - mean_s;
    const double e = effects[i] - mean_e;
    ss += s * s;
    ee += e * e;
    se += s * e;
  }
  result.pearson = se / std::sqrt(ss * ee);
  return result;
}

Verification verify_scores(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                           const ScoreSpec& spec, const EdgeScores& scores, int64_t count, Rng& rng,
                           const ProgressCallback& progress) {
  const auto take = static_cast<size_t>(std::min(count, graph.n_edges()));
  std::vector<int64_t> sampled = permutation(graph.n_edges(), rng);
  std::vector<int64_t> top(graph.n_edges());
  for (int64_t e = 0; e < graph.n_edges(); ++e) top[e] = e;
  std::stable_sort(top.begin(), top.end(),
                   [&](int64_t a, int64_t b) { return std::fabs(scores.values[a]) > std::fabs(scores.values[b]); });
  sampled.resize(take);
  top.resize(take);
  std::map<int64_t, double> effect;
  for (const std::vector<int64_t>* set : {&sampled, &top}) {
    for (const int64_t e : *set) effect[e] = 0;
  }
  std::vector<int64_t> edges;
  for (const auto& each : effect) edges.push_back(each.first);
  const std::vector<double> effects = exact_effects(model, graph, examples, spec, edges, progress).effects;
  for (size_t i = 0; i < edges.size(); ++i) effect[edges[i]] = effects[i];
  const auto judge = [&](const std::vector<int64_t>& set) {
    std::vector<double> s;
    std::vector<double> e;
    for (const int64_t id : set) {
      s.push_back(scores.values[id]);
      e.push_back(effect[id]);
    }
    return agreement(s, e);
  };
  return {judge(sampled), judge(top)};
}

}  // namespace circuit
