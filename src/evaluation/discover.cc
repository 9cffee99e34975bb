#include "evaluation/discover.h"

#include <circuit/version.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/config.h"
#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/setting_name.h"
#include "evaluation/data_findings.h"
#include "graph/circuit_file.h"
#include "graph/svg.h"
#include "io/files.h"
#include "scoring/finer_files.h"
#include "scoring/memory.h"
#include "selection/prune.h"
#include "selection/score_parts.h"

namespace circuit {
namespace {

constexpr double kSumRuleTolerance = 1e-4;
constexpr double kSumRuleToleranceBf16 = 5e-2;  // 8 bits of mantissa
// A metric that moves less than this share of itself between text and counterfactual does not move: rounding.
constexpr double kLeastShift = 1e-6;

// Scores, and those of parts of the examples where the selection is to be resampled.
struct Scored {
  ScoreResult result;
  std::optional<PartScores> parts;
};

void check_scores(const ScoreResult& result, const DiscoverRequest& r) {
  const double tolerance = r.compute.dtype == "bf16" ? kSumRuleToleranceBf16 : kSumRuleTolerance;
  if (result.sum_rule_error > tolerance) {
    fail("discover",
         "the scores break the sum rule by {:.2e} (at most {:.0e} is rounding): do not trust them. "
         "Use {} f32, or report this.",
         result.sum_rule_error, tolerance, setting("dtype"));
  }
  const bool all_zero =
      std::all_of(result.scores.values.begin(), result.scores.values.end(), [](float s) { return s == 0; });
  if (all_zero) {
    fail("discover", "every score is zero: the ablation changes nothing. Are the counterfactuals equal to the texts?");
  }
  if (result.metric_shift && *result.metric_shift <= kLeastShift * std::max(1.0, std::fabs(result.metric))) {
    fail("discover",
         "{} is the same on every text and its counterfactual ({:.6g} on average): there is nothing to "
         "attribute. Do the counterfactuals change what the readouts ask?",
         r.score.metric, result.metric);
  }
}

Scored score(const DiscoverRequest& r, const Scorer& scorer, const Model& model, const Graph& graph,
             const std::vector<const Example*>& examples, const ScoreSpec& spec) {
  Progress progress("discover", static_cast<int64_t>(examples.size()));
  const auto show = [&](int64_t done, int64_t) { progress.update(done); };
  if (r.resamples == 0) return {scorer.score(model, graph, examples, spec, show), std::nullopt};
  ScoredParts scored = score_in_parts(scorer, model, graph, examples, spec, show);
  return {std::move(scored.whole), std::move(scored.parts)};
}

Selected select(const DiscoverRequest& r, const Selector& selector, const Model& model, const Graph& graph,
                const Scored& scored, const TargetRecords& records, const ScoreSpec& spec) {
  const SliceTable slices(graph, model);
  const SelectionInput input{graph, scored.result.scores, slices};
  SelectionSpec selection = r.selection;
  Selected selected;
  selected.resamples = r.resamples;
  selected.stable = r.stable;
  if (r.target.faithfulness) {
    Rng draws = Rng(r.seed).split("target");
    selected.target = find_target(model, input, selector, selection, r.target, records, spec, draws);
    selection.n = selected.target->size.size;
  }
  Rng rng = Rng(r.seed).split("selection");
  selected.circuit = selector.select(input, selection, rng);
  if (selection.kind == "top-edges" && static_cast<int64_t>(selected.circuit.edges.size()) < selection.n) {
    log_info("only {} edges have a score other than zero; all are taken.", selected.circuit.edges.size());
  }
  if (scored.parts) {
    Rng draws = Rng(r.seed).split("resamples");
    selected.stability = selection_stability(
        *scored.parts,
        [&](const EdgeScores& scores) {
          return selector.select({graph, scores, slices}, selection, rng);
        },
        r.resamples, draws);
  }
  if (r.stable > 0) {
    const size_t before = selected.circuit.edges.size();
    selected.circuit = stable_edges(selected.circuit, selected.stability, r.stable);
    log_info("stable: {} of {} edges are selected in {:.4g} % or more of the resamples.", selected.circuit.edges.size(),
             before, 100 * r.stable);
  }
  if (r.prune) {
    const size_t before = selected.circuit.edges.size();
    selected.circuit = prune(graph, selected.circuit);
    log_info("pruned: {} of {} edges lie on a path from input to logits.", selected.circuit.edges.size(), before);
  }
  return selected;
}

// Spans as the records name them. Throws Error when there is none, UsageError for a method that cannot tell them.
std::vector<std::string> wanted_spans(const DiscoverRequest& r, const Scorer& scorer,
                                      const std::vector<const Example*>& examples) {
  if (!r.spans) return {};
  if (!scorer.splits_spans)
    throw UsageError(fmt::format("[{}] method {} does not score by spans.", setting("spans"), scorer.name));
  std::vector<std::string> names = span_names(examples);
  if (names.size() == 1) fail(r.data, "no record has 'spans', which {} needs.", setting("spans"));
  return names;
}

// Batches that stay inside the memory, for everything that will be run; says what is planned.
int64_t planned_batch(const DiscoverRequest& r, const Scorer& scorer, const Model& model, const Graph& graph,
                      const ScoreSpec& spec, const std::vector<const Example*>& examples) {
  const int64_t longest = longest_of(examples);
  int64_t batch = batch_in_memory(plan_score(model, graph, scorer, spec, longest), r.batch, r.compute);
  if (r.verify > 0 || r.target.faithfulness) {
    batch = batch_in_memory(plan_circuits(model, graph, longest), batch, r.compute);
  }
  return batch;
}

Verification verify(const DiscoverRequest& r, const Model& model, const Graph& graph,
                    const std::vector<const Example*>& examples, const ScoreSpec& spec, const ScoreResult& result) {
  if (spec.positions != Positions::kAll) {
    log_warning("{} ablates an edge at every position, while the scores sum over the readouts alone.",
                setting("verify"));
  }
  Rng sample = Rng(r.seed).split("verify");
  Progress progress("verify", static_cast<int64_t>(examples.size()));
  return verify_scores(model, graph, examples, spec, result.scores, r.verify, sample,
                       [&](int64_t done, int64_t) { progress.update(done); });
}

ChannelScores channels_of(const Model& model, const std::vector<const Example*>& examples, const ScoreSpec& spec) {
  Progress progress("channels", static_cast<int64_t>(examples.size()));
  return score_channels(model, examples, spec, [&](int64_t done, int64_t) { progress.update(done); });
}

[[noreturn]] void refuse(const char* name, const std::string& why) {
  throw UsageError(fmt::format("[{}] {}", setting(name), why));
}

// What can be said of a request before a model is loaded.
void check_request(const DiscoverRequest& r) {
  check_target(r.target, r.selection.kind);
  if (r.stable > 0 && r.resamples == 0) refuse("stable", fmt::format("needs {}.", setting("resamples")));
  if (r.stable > 0 && r.target.faithfulness) {
    refuse("stable", fmt::format("does not go together with {}, whose circuit is that which was judged.",
                                 setting("target_faithfulness")));
  }
  if (!r.target.held_out.empty() && !r.target.faithfulness) {
    refuse("held_out", fmt::format("needs {}.", setting("target_faithfulness")));
  }
  if (r.spans && r.resamples > 0) refuse("spans", fmt::format("does not go together with {}.", setting("resamples")));
  find_scorer(r.score.method);
  find_selector(r.selection.kind);
  if (r.channels && r.score.spec().metric.flat_at_clean) {
    fail(setting("channels"), "metric {} has a gradient of zero at the clean input, where channels are scored.",
         r.score.metric);
  }
}

}  // namespace

Discovered discover(const DiscoverRequest& r) {
  check_request(r);
  return discover(r, OpenModel(r.model, r.compute));
}

Discovered discover(const DiscoverRequest& r, const OpenModel& open) {
  check_request(r);
  const Scorer& scorer = find_scorer(r.score.method);
  const Selector& selector = find_selector(r.selection.kind);
  ScoreSpec spec = r.score.spec();
  spec.seed = r.seed;
  const ScoredRecords records(r.data, r.ablation_data, open, r.records, &spec);
  const TargetRecords used = target_records(r.target, r.data, records, open, r.records, spec);
  const std::vector<const Example*>& examples = used.scored;
  const Graph graph = r.graph.graph(open.model.architecture());
  spec.spans = wanted_spans(r, scorer, examples);
  std::vector<const Example*> all = examples;
  all.insert(all.end(), used.held_out.begin(), used.held_out.end());
  if (spec.ablation_reference != nullptr)
    all.insert(all.end(), spec.ablation_reference->begin(), spec.ablation_reference->end());
  spec.batch = planned_batch(r, scorer, open.model, graph, spec, all);
  Scored scored = score(r, scorer, open.model, graph, examples, spec);
  check_scores(scored.result, r);
  // Information, not a warning: records that teach a model what it does not do yet are meant to be so.
  const std::string doubts = doubts_about(r.score.metric, scored.result.metric, scored.result.examples);
  if (!doubts.empty()) log_line(doubts);
  Discovered found{open.model.architecture(),
                   graph,
                   {},
                   select(r, selector, open.model, graph, scored, used, spec),
                   std::nullopt,
                   std::nullopt,
                   records.data.begin_token};
  if (r.verify > 0) found.verification = verify(r, open.model, graph, examples, spec, scored.result);
  if (r.channels) found.channels = channels_of(open.model, examples, spec);
  found.result = std::move(scored.result);
  return found;
}

void write_discovered(const DiscoverRequest& r, const Discovered& found, const CircuitOutputs& outputs) {
  const Graph& graph = found.graph;
  const ScoreResult& result = found.result;
  const Circuit& circuit = found.selected.circuit;
  std::map<std::string, std::string> meta{{"model", r.model},
                                          {"data", r.data},
                                          {"method", r.score.method},
                                          {"metric", r.score.metric},
                                          {"ablation", r.score.ablation->name},
                                          {"positions", positions_name(r.score.positions)},
                                          {"bos", found.begin_token ? "yes" : "no"},
                                          {"examples", std::to_string(result.examples)},
                                          {"version", CIRCUIT_VERSION}};
  meta.merge(selection_meta(found.selected));
  Settings own;
  Parameters values = r.score.own;
  for (const AnyParameter* parameter : find_scorer(r.score.method).parameters) parameter->declare(&own, &values);
  for (const Setting& setting : own) meta.emplace(setting.key, plain_value(setting));
  // The circuit last: where another file cannot be written, it is not there either.
  if (!outputs.dot.empty()) write_file(outputs.dot, to_dot(graph, circuit, result.scores));
  if (!outputs.svg.empty()) write_file(outputs.svg, to_svg(graph, circuit, result.scores));
  if (result.spans) write_span_scores(outputs.spans, graph, *result.spans);
  if (found.channels) write_channel_scores(outputs.channels, *found.channels);
  if (outputs.compact) {
    // What the JSON form has in its cfg.
    meta["d_model"] = std::to_string(found.architecture.d_model);
    meta["d_head"] = std::to_string(found.architecture.d_head);
    write_circuit_compact(outputs.circuit, graph, result.scores, circuit, meta, found.selected.stability);
  } else {
    write_circuit_json(outputs.circuit, found.architecture, graph, result.scores, circuit, meta,
                       found.selected.stability);
  }
}

}  // namespace circuit
