#include "evaluation/neuron_evaluation.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/setting_name.h"
#include "evaluation/evaluation_text.h"
#include "io/json.h"
#include "scoring/finer_files.h"
#include "scoring/memory.h"

namespace circuit {
namespace {

// Their mean on every record, as if they were one run.
CircuitOutcome mean_outcome(const std::vector<CircuitOutcome>& runs) {
  CircuitOutcome mean = runs.front();
  for (size_t r = 1; r < runs.size(); ++r) {
    for (size_t i = 0; i < mean.metric.size(); ++i) mean.metric[i] += runs[r].metric[i];
  }
  for (double& value : mean.metric) value /= static_cast<double>(runs.size());
  return mean;
}

NeuronControl control_of(const CircuitOutcome& alone, const std::vector<CircuitOutcome>& random,
                         const CircuitOutcome& full, const CircuitOutcome& empty, Rng& rng) {
  NeuronControl control;
  control.draws = static_cast<int64_t>(random.size());
  const CircuitOutcome mean = mean_outcome(random);
  control.faithfulness = faithfulness(mean, full, empty, rng);
  std::vector<double> each;
  for (const CircuitOutcome& o : random) each.push_back(faithfulness(o, full, empty, rng).value);
  control.lowest = *std::min_element(each.begin(), each.end());
  control.highest = *std::max_element(each.begin(), each.end());
  control.above = faithfulness_difference(alone, mean, full, empty, rng);
  return control;
}

// A curve's sets, one for each of curve_shares(), the last of them all neurons.
std::vector<Neurons> curve_sets(const Architecture& a, const ChannelScores& scores, Ranking ranking) {
  const std::vector<Neuron> order = ranked_neurons(a, scores, ranking);
  const Neurons all = every_neuron(a);
  std::vector<Neurons> sets;
  for (const double share : curve_shares()) {
    const auto n = static_cast<int64_t>(share * static_cast<double>(count(all)));
    sets.push_back(share == 1 ? all : first_neurons(a, order, n));
  }
  return sets;
}

// {"neurons": [[layer, channel], …]}
Neurons listed_neurons(const std::string& path, const Architecture& a) {
  Neurons neurons = no_neuron(a);
  const Json file = read_json(path);
  const Json& list = require(file, "neurons", path);
  if (!list.is_array() || list.empty()) fail(path, "neurons: expected a list of [layer, channel].");
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string name = fmt::format("neurons, entry {}", i + 1);
    if (!list[i].is_array() || list[i].size() != 2) fail(path, "{}: expected [layer, channel].", name);
    const int64_t layer = int_of(list[i][0], name, path);
    const int64_t channel = int_of(list[i][1], name, path);
    if (layer < 0 || layer >= a.n_layers) {
      fail(path, "{}: found layer {}, expected 0 to {}.", name, layer, a.n_layers - 1);
    }
    if (channel < 0 || channel >= a.mlp_channels(layer)) {
      fail(path, "{}: found channel {}, expected 0 to {}.", name, channel, a.mlp_channels(layer) - 1);
    }
    if (neurons[layer][channel]) fail(path, "{}: [{}, {}] stands there twice.", name, layer, channel);
    neurons[layer][channel] = true;
  }
  return neurons;
}

ChannelScores scores_for(const std::string& path, const Architecture& a) {
  ChannelScores scores = read_channel_scores(path);
  int64_t widest = 0;
  for (int64_t l = 0; l < a.n_layers; ++l) widest = std::max(widest, a.mlp_channels(l));
  if (scores.layers != a.n_layers || scores.channels != widest) {
    fail(path, "scores of {} layers of {} channels, where the model has {} of {}.", scores.layers, scores.channels,
         a.n_layers, widest);
  }
  return scores;
}

}  // namespace

void NeuronSpec::declare(Settings* s) {
  s->add("neurons", &file, "MLP channels instead of edges: the scores that discover writes of them, or a list (JSON).")
      .since_version("0.3");
  s->add("top_neurons", &top, "Of scores: how many channels are kept, by |score|.").at_least(0).since_version("0.3");
  s->add("neuron_draws", &draws, "Random sets of as many channels of every layer, to compare with; 0: none.")
      .range(0, 1000)
      .since_version("0.3");
}

NeuronEvaluation evaluate_neurons(const Model& model, const Neurons& kept, const ChannelScores* scores, int64_t draws,
                                  const std::vector<const Example*>& examples, const ScoreSpec& spec, Rng& rng,
                                  const ProgressCallback& progress) {
  const Architecture& a = model.architecture();
  std::vector<Neurons> sets;
  // Where a group of sets stands among those that are run.
  const auto add = [&](const std::vector<Neurons>& group) {
    sets.insert(sets.end(), group.begin(), group.end());
    return std::pair(sets.size() - group.size(), group.size());
  };
  add({every_neuron(a), no_neuron(a), kept, complement(kept)});
  std::vector<NeuronDraw> drawn;
  for (int64_t d = 0; d < draws; ++d) drawn.emplace_back(a, rng);
  const auto random_like = [&](const Neurons& set) {
    std::vector<Neurons> random;
    for (const NeuronDraw& draw : drawn) random.push_back(draw.like(set));
    return random;
  };
  const auto control = add(random_like(kept));
  std::vector<Neurons> by_score, by_magnitude;
  if (scores != nullptr) {
    by_score = curve_sets(a, *scores, Ranking::kSigned);
    by_magnitude = curve_sets(a, *scores, Ranking::kMagnitude);
  }
  const auto score_group = add(by_score);
  const auto magnitude_group = add(by_magnitude);
  std::vector<std::pair<size_t, size_t>> random_groups;
  for (size_t i = 0; i + 1 < by_magnitude.size(); ++i) random_groups.push_back(add(random_like(by_magnitude[i])));
  const std::vector<CircuitOutcome> all = run_neurons(model, examples, spec, sets, progress);
  const auto outcomes = [&](const std::pair<size_t, size_t>& group) {
    const auto first = all.begin() + static_cast<int64_t>(group.first);
    return std::vector<CircuitOutcome>(first, first + static_cast<int64_t>(group.second));
  };
  const CircuitOutcome &full = all[0], &empty = all[1], &alone = all[2], &others = all[3];

  NeuronEvaluation result;
  result.examples = static_cast<int64_t>(examples.size());
  result.all = count(sets[0]);
  for (const std::vector<bool>& layer : kept) result.by_layer.push_back(std::count(layer.begin(), layer.end(), true));
  result.full = means_of(full, rng);
  result.empty = means_of(empty, rng);
  result.circuit = means_of(alone, rng);
  result.range = metric_range(full, empty, rng);
  if (!is_defined(result.range)) return result;
  result.faithfulness = faithfulness(alone, full, empty, rng);
  result.completeness_gap = faithfulness(others, full, empty, rng);
  if (draws > 0) result.random = control_of(alone, outcomes(control), full, empty, rng);
  if (scores == nullptr) return result;
  NeuronCurve curve;
  curve.cpr = cpr(outcomes(score_group), full, empty, rng);
  curve.cmd = cmd(outcomes(magnitude_group), full, empty, rng);
  const auto points = [&](const std::vector<Neurons>& of, const auto& outcome_of) {
    std::vector<NeuronPoint> line;
    for (size_t i = 0; i < of.size(); ++i) {
      line.push_back({curve_shares()[i], count(of[i]), faithfulness(outcome_of(i), full, empty, rng)});
    }
    return line;
  };
  curve.by_score = points(by_score, [&](size_t i) { return all[score_group.first + i]; });
  curve.by_magnitude = points(by_magnitude, [&](size_t i) { return all[magnitude_group.first + i]; });
  if (draws > 0) {
    curve.random = points(by_magnitude, [&](size_t i) {
      return i < random_groups.size() ? mean_outcome(outcomes(random_groups[i])) : full;
    });
  }
  result.curve = std::move(curve);
  return result;
}

NeuronEvaluation evaluate_neurons(const EvaluateRequest& r, const NeuronSpec& neurons) {
  ScoreSpec spec(find_metric(r.metric));
  spec.ablation = r.ablation;
  const std::string extension = ".json";
  const bool listed = neurons.file.size() > extension.size() &&
                      neurons.file.compare(neurons.file.size() - extension.size(), extension.size(), extension) == 0;
  if (listed != (neurons.top == 0)) {
    throw UsageError(fmt::format("[{}] {}", setting("top_neurons"),
                                 listed ? "a list of neurons is taken whole." : "scores need it: how many are kept."));
  }
  const OpenModel open(r.model, r.compute);
  const Architecture& a = open.model.architecture();
  check_neurons(a);
  std::optional<ChannelScores> scores;
  if (!listed) scores = scores_for(neurons.file, a);
  if (scores && r.negate) {
    for (float& score : scores->values) score = -score;
  }
  Neurons kept;
  if (scores) {
    const std::vector<Neuron> order = ranked_neurons(a, *scores, Ranking::kMagnitude);
    if (order.empty()) fail(neurons.file, "every score is zero: there is no order of neurons in it.");
    kept = first_neurons(a, order, neurons.top);
    if (count(kept) < neurons.top)
      log_warning("{}: {} neurons have a score that is not 0, and all are kept.", neurons.file, count(kept));
  } else {
    kept = listed_neurons(neurons.file, a);
  }
  const ScoredRecords records(r.data, r.ablation_data, open, r.records, &spec);
  const Graph graph(a, KeyValueNodes::kGrouped);
  spec.batch = batch_in_memory(plan_circuits(open.model, graph, longest_of(records.examples)), r.batch, r.compute);
  Rng rng = Rng(r.seed).split("neurons");
  NeuronEvaluation found;
  {
    Progress progress("evaluate", static_cast<int64_t>(records.examples.size()));
    found = evaluate_neurons(open.model, kept, scores && r.what.curve ? &*scores : nullptr, neurons.draws,
                             records.examples, spec, rng, [&](int64_t done, int64_t) { progress.update(done); });
  }
  if (!found.faithfulness) log_warning("{}", why_undefined(found.range));
  return found;
}

}  // namespace circuit
