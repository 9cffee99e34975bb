#include "run/run_states.h"

#include "core/error.h"
#include "core/setting_name.h"
#include "core/spread.h"
#include "run/run_inputs.h"
#include "scoring/memory.h"
#include "tuning/run_checkpoint.h"

namespace circuit {

void StatesSpec::declare(Settings* s) {
  s->add("data", &data, "Records that the analyses of models measure on; empty: the run's data.dev.");
  s->add("records", &records, "Of them, at most.").at_least(1);
  s->add("states", &states, "Checkpoints that the analyses of models look at, the base among them.").range(2, 100);
}

RunStates::RunStates(const std::string& run, const ComputeSpec& compute, const StatesSpec& what)
    : run_(run), compute_(in_float32(compute)), config_(read_run_config(run)) {
  std::vector<int64_t> saved = checkpoint_steps(run);
  if (saved.empty()) fail(run, "there is no checkpoint in it yet: no model to hold against the base.");
  saved.insert(saved.begin(), 0);
  for (const size_t i : spread_indices(saved.size(), static_cast<size_t>(what.states))) steps_.push_back(saved[i]);
  base_ = std::make_unique<TuneModel>(config_, compute_);
  check_base(run, base_->open.checkpoint);
  const std::string path = what.data.empty() ? config_.data.dev : what.data;
  if (path.empty()) fail(run, "the run has no data.dev: give records to measure on with {}.", setting("data"));
  data_ = read_run_records(path, config_, base_->open);
  spec_.metric = find_metric(config_.discovery.score.metric);
  spec_.ablation = config_.discovery.score.ablation;
  for (const Example& e : data_.examples) {
    if (static_cast<int64_t>(examples_.size()) == what.records) break;
    check_metric(spec_.metric, e);
    examples_.push_back(&e);
  }
  if (examples_.empty()) fail(path, "there is no record in it.");
  spec_.batch = batch_in_memory(plan_circuits(base(), base_->graph, longest_of(examples_)), spec_.batch, compute_);
}

const Model& RunStates::at(int64_t step) {
  if (step == 0) return base();
  if (step != other_step_) {
    other_ = std::make_unique<TuneModel>(config_, compute_);
    trained_ = stored_parameters(config_, run_, *other_);
    load_values(run_, step, other_->open.checkpoint, trained_->store());
    other_step_ = step;
  }
  return other_->open.model;
}

}  // namespace circuit
