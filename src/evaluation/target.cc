#include "evaluation/target.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/setting_name.h"
#include "evaluation/curve.h"
#include "evaluation/faithfulness.h"

namespace circuit {
namespace {

std::string place() { return setting("target_faithfulness"); }

// Circuits of given sizes, run on the held-out records. Outcomes are kept: the one that is taken in the end
// needs its interval, not another run.
class Sizes {
 public:
  Sizes(const Model& model, const SelectionInput& input, const Selector& selector, SelectionSpec selection,
        const std::vector<const Example*>& examples, const ScoreSpec& spec, Rng& rng)
      : model_(model),
        input_(input),
        selector_(selector),
        selection_(selection),
        examples_(examples),
        spec_(spec),
        rng_(rng) {}

  std::vector<double> measure(const std::vector<int64_t>& sizes) {
    std::vector<Circuit> circuits;
    const bool first = !full_.has_value();
    if (first) circuits = {whole(input_.graph), Circuit()};
    for (const int64_t n : sizes) circuits.push_back(circuit_of(n));
    Progress progress("target", static_cast<int64_t>(examples_.size()));
    std::vector<CircuitOutcome> outcomes = run_circuits(model_, input_.graph, examples_, spec_, circuits,
                                                        [&](int64_t done, int64_t) { progress.update(done); });
    progress.clear();
    if (first) take_range(&outcomes);
    std::vector<double> values;
    for (size_t i = 0; i < sizes.size(); ++i) {
      values.push_back(share(outcomes[i]));
      outcomes_[sizes[i]] = std::move(outcomes[i]);
    }
    return values;
  }

  Estimate faithfulness_of(int64_t n) { return faithfulness(outcomes_.at(n), *full_, *empty_, rng_); }
  int64_t edges_run(int64_t n) { return static_cast<int64_t>(circuit_of(n).edges.size()); }
  // All that the selector ever takes.
  int64_t most() { return static_cast<int64_t>(select(input_.graph.n_edges()).edges.size()); }

 private:
  Circuit select(int64_t n) {
    selection_.n = n;
    return selector_.select(input_, selection_, rng_);
  }
  Circuit circuit_of(int64_t n) { return as_run(input_.graph, select(n), Pruning::kPrune); }

  // The whole model and no edges ran first; without a range between them no share of it means anything.
  void take_range(std::vector<CircuitOutcome>* outcomes) {
    full_ = (*outcomes)[0];
    empty_ = (*outcomes)[1];
    outcomes->erase(outcomes->begin(), outcomes->begin() + 2);
    const MetricRange range = metric_range(*full_, *empty_, rng_);
    if (is_defined(range)) return;
    fail(place(),
         "m(full) - m(empty) is {:.3g}, interval {:.3g} to {:.3g}, on the {} held-out records: expected an "
         "interval "
         "without 0, else no share of it is defined. Hold out more records, or choose another ablation or "
         "metric.",
         range.value, range.interval.low, range.interval.high, examples_.size());
  }

  double share(const CircuitOutcome& outcome) const {
    std::vector<int64_t> all(examples_.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
    const double none = mean_of(empty_->metric, all);
    return (mean_of(outcome.metric, all) - none) / (mean_of(full_->metric, all) - none);
  }

  const Model& model_;
  const SelectionInput& input_;
  const Selector& selector_;
  SelectionSpec selection_;
  const std::vector<const Example*>& examples_;
  const ScoreSpec& spec_;
  Rng& rng_;
  std::optional<CircuitOutcome> full_, empty_;
  std::map<int64_t, CircuitOutcome> outcomes_;
};

}  // namespace

void TargetSettings::declare(Settings* s) {
  s->find("selection.kind")->choices.emplace_back("faithfulness");
  s->add("faithfulness", &faithfulness, "What the circuit of kind faithfulness reaches on dev records.").range(0, 1);
  s->add("faithfulness_records", &records, "Dev records that it is judged on.").at_least(2).in("records");
}

void check_target(const TargetOptions& target, const std::string& selection) {
  if (!target.faithfulness) return;
  for (const char* sized : {"top-edges", "top-edges-weighted", "greedy"}) {
    if (selection == sized) return;
  }
  throw UsageError(
      fmt::format("[{}] selection {} does not take a number of edges: found no size to search over. Use "
                  "top-edges, top-edges-weighted or greedy.",
                  place(), selection));
}

TargetRecords target_records(const TargetOptions& target, const std::string& data_name, const ScoredRecords& data,
                             const OpenModel& open, const RecordOptions& options, const ScoreSpec& spec) {
  TargetRecords records;
  records.scored = data.examples;
  if (!target.faithfulness) return records;
  if (!target.held_out.empty()) {
    ScoreSpec checked = spec;
    records.file = std::make_unique<ScoredRecords>(target.held_out, "", open, options, &checked);
    records.held_out = records.file->examples;
    records.name = target.held_out;
    log_info("scores from the {} records of {}, faithfulness on the {} of {}.", records.scored.size(), data_name,
             records.held_out.size(), target.held_out);
    return records;
  }
  const size_t half = (data.examples.size() + 1) / 2;
  if (half == data.examples.size()) {
    fail(data_name, "found {} record, expected at least 2 to hold half of them out. Or name others with {}.",
         data.examples.size(), setting("held_out"));
  }
  const auto middle = data.examples.begin() + static_cast<int64_t>(half);
  records.scored.assign(data.examples.begin(), middle);
  records.held_out.assign(middle, data.examples.end());
  records.name = "the second half of " + data_name;
  log_info(
      "scores from the first {} records of {}, faithfulness on the other {}: name other records with "
      "{}.",
      half, data_name, records.held_out.size(), setting("held_out"));
  return records;
}

TargetFound find_target(const Model& model, const SelectionInput& input, const Selector& selector,
                        SelectionSpec selection, const TargetOptions& target, const TargetRecords& records,
                        const ScoreSpec& spec, Rng& rng) {
  Sizes sizes(model, input, selector, selection, records.held_out, spec, rng);
  TargetFound found;
  found.size = smallest_reaching(sizes.most(), *target.faithfulness,
                                 [&](const std::vector<int64_t>& list) { return sizes.measure(list); });
  if (!found.size.reached) {
    fail(place(),
         "faithfulness {:.4g} is not reached on {}: the best found is {:.4f}, with {} edges. Ask for less, or "
         "score with another method or more records.",
         *target.faithfulness, records.name, found.size.value, found.size.size);
  }
  found.faithfulness = sizes.faithfulness_of(found.size.size);
  found.edges_run = sizes.edges_run(found.size.size);
  found.target = *target.faithfulness;
  found.held_out = records.name;
  found.examples = static_cast<int64_t>(records.held_out.size());
  return found;
}

Circuit circuit_reaching(const Model& model, const SelectionInput& input, const Selector& selector,
                         SelectionSpec selection, double target, const std::vector<const Example*>& held_out,
                         const ScoreSpec& spec, Rng& rng) {
  Sizes sizes(model, input, selector, selection, held_out, spec, rng);
  const SizeFound found =
      smallest_reaching(sizes.most(), target, [&](const std::vector<int64_t>& list) { return sizes.measure(list); });
  if (!found.reached) {
    log_warning("faithfulness {:.3g} is not reached: the best circuit has {:.3g} with {} edges, and is taken.", target,
                found.value, found.size);
  }
  selection.n = found.size;
  return selector.select(input, selection, rng);
}

}  // namespace circuit
