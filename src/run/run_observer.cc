#include "run/run_observer.h"

#include "core/error.h"
#include "core/log.h"
#include "core/table.h"
#include "io/files.h"
#include "ranks/communicator.h"
#include "run/circuit_quality.h"
#include "run/evaluate_run.h"
#include "run/interrupt.h"
#include "run/plan.h"
#include "store/number_json.h"

namespace circuit {

RunObserver::RunObserver(const RunConfig& config, TuneModel& model, ParameterStore& store, const TuneData& data,
                         Recorder& recorder, RunState state, int64_t memory, StepHook hook)
    : config_(config),
      model_(model),
      store_(store),
      data_(data),
      recorder_(recorder),
      state_(std::move(state)),
      progress_("tune", config.tuning.steps, state_.step),
      memory_(memory),
      hook_(std::move(hook)) {
  if (recorder.last_circuit()) last_.edges = static_cast<int64_t>(recorder.last_circuit()->edges.size());
}

void RunObserver::on_discovery(const DiscoveryEvent& event) {
  last_.edges = static_cast<int64_t>(event.circuit.edges.size());
  metric_ = event.metric;
  recorder_.discovery(
      {event.step, event.scores, event.circuit, event.metric, event.examples, event.sum_rule_error, event.seconds},
      store_.current_parameters(), model_.open.model.parameter_count());
  say_memory();
  if (config_.selection.kind == "top-edges" && last_.edges < config_.selection.n && !said_fewer_) {
    said_fewer_ = true;
    progress_.clear();
    log_info("step {}: only {} edges have a score other than zero; all are taken.", event.step, last_.edges);
  }
}

void RunObserver::say_memory() {
  constexpr double kWorthSaying = 1.05;
  const int64_t held = store_.touched_parameters();
  if (static_cast<double>(held) <= kWorthSaying * static_cast<double>(said_parameters_)) return;
  said_parameters_ = held;
  const TuneMemory memory = tune_memory(config_, model_, data_, store_.current_parameters(), held);
  progress_.clear();
  log_info("memory for {} parameters: {}.", with_commas(held), memory.text());
  warn_of_memory(memory, memory_);
}

void RunObserver::on_step(const StepEvent& event) {
  const UpdateNorms& norms = event.norms;
  recorder_.step({event.step,
                  event.loss,
                  event.metric,
                  event.learning_rate,
                  event.target_tokens,
                  event.trainable_parameters,
                  {norms.gradient, norms.slices, norms.slice_gradients, norms.slice_updates},
                  event.seconds});
  last_ = {event.step + 1, event.loss, event.metric,    event.learning_rate, last_.edges, event.trainable_parameters,
           event.seconds,  {},         event.sent_bytes};
  sent_bytes_ += event.sent_bytes;
  seconds_ += event.seconds;
  largest_trainable_ = std::max(largest_trainable_, event.trainable_parameters);
}

bool RunObserver::after_updates(int64_t done) {
  show(done);
  const bool last = done == config_.tuning.steps;
  const bool due = done % config_.evaluation.every == 0 || last;
  const bool stop = due && evaluate_and_save(done);
  if (was_interrupted_) return true;
  if (hook_) hook_(last_);
  const bool interrupted = any_of(world(), "interrupts", was_interrupt_noted());
  if (!interrupted || last) return stop;
  if (!due) save(done);
  was_interrupted_ = true;
  return true;
}

void RunObserver::on_failure(const FailedStep& failure) {
  Json records = Json::array();
  for (const Example* e : failure.examples) records.push_back({{"place", e->place}, {"ids", e->ids}});
  const Json json = {
      {"step", failure.step}, {"loss", number_json(failure.loss)}, {"lr", failure.learning_rate}, {"records", records}};
  write_file(fmt::format("{}/failed-step-{:06}.json", config_.run.path, failure.step), json.dump(1) + "\n");
  recorder_.meta("status", "failed");
  progress_.clear();
  log_info("step {}: loss {}; its records are in failed-step-{:06}.json. Checkpoints are as they were.", failure.step,
           failure.loss, failure.step);
}

bool RunObserver::evaluate_and_save(int64_t done) {
  bool stop = false;
  try {
    stop = evaluate(done);
    state_.evaluation_due = false;
  } catch (const Interrupted&) {
    progress_.clear();
    state_.evaluation_due = true;
    was_interrupted_ = true;
    stop = true;
  }
  save(done);
  return stop;
}

void RunObserver::show(int64_t done) {
  const double share = 100.0 * static_cast<double>(store_.current_parameters()) /
                       static_cast<double>(model_.open.model.parameter_count());
  std::string detail = fmt::format("loss {:.3f}", last_.loss);
  if (config_.method().finds_circuits()) {
    detail += fmt::format("  {} {:+.2f}  {} edges", config_.discovery.score.metric, metric_, last_.edges);
  }
  if (last_.sent_bytes > 0) detail += fmt::format("  {} sent", format_bytes(static_cast<double>(last_.sent_bytes)));
  progress_.update(done, detail + fmt::format("  {:.1f}% trainable", share));
}

bool RunObserver::evaluate(int64_t done) {
  const bool stops = config_.evaluation.stop_metric().has_value();
  Evaluation values = evaluate_run(config_, model_, store_, data_, stops ? Splits::kMetric : Splits::kDevelopment);
  if (config_.evaluation.circuit_records > 0 && recorder_.last_circuit()) {
    const RoundedModel rounded(store_, model_.open.checkpoint);
    add_circuit_quality(config_, model_, data_, *recorder_.last_circuit(), stop_if_interrupted, &values);
  }
  recorder_.evaluation(done, values);
  last_.evaluation = values;
  progress_.clear();
  std::string line = fmt::format("step {:>6}  loss {:.4f}", done, last_.loss);
  for (const char* name :
       {"dev/metric", "dev/accuracy", "dev/perplexity", "dev/faithfulness", "untouched/perplexity"}) {
    const auto found = values.find(name);
    if (found != values.end()) line += fmt::format("  {} {:.4g}", name, found->second);
  }
  log_info("{}", line);
  const auto metric = values.find("dev/metric");
  if (metric == values.end()) return false;
  if (!state_.best_step || metric->second > state_.best_metric) {
    state_.best_step = done;
    state_.best_metric = metric->second;
    state_.evaluations_since_best = 0;
    if (!is_at_its_metric()) return false;
    log_info("step {}: dev metric {:.4g}: stopping.", done, state_.best_metric);
    return true;
  }
  ++state_.evaluations_since_best;
  if (config_.evaluation.patience == 0 || state_.evaluations_since_best < config_.evaluation.patience) return false;
  log_info("step {}: no better dev metric in {} evaluations: stopping.", done, state_.evaluations_since_best);
  return true;
}

bool RunObserver::is_at_its_metric() const {
  const std::optional<double> metric = config_.evaluation.stop_metric();
  return metric && state_.best_step && state_.best_metric >= *metric;
}

void RunObserver::save(int64_t done) {
  state_.step = done;
  if (trainer_ != nullptr) state_.policy = trainer_->policy_state();
  const ParameterStore::Collected collected(store_);
  if (!world().leads()) return;
  recorder_.before_checkpoint();
  save_checkpoint(config_.run.path, store_, model_.open.checkpoint, state_);
  recorder_.after_checkpoint();
  if (config_.evaluation.keep == EvaluationSettings::Keep::kAll) return;
  // The best is the run's result; beside it the last stays, to go on from.
  const std::vector<int64_t> steps = checkpoint_steps(config_.run.path);
  // With evaluation.stop_at also the evaluation before, on whose other side the metric is reached.
  const int64_t before =
      config_.evaluation.stop_metric() ? last_evaluated_before(done, config_.evaluation.every, steps) : done;
  for (const int64_t step : steps) {
    if (step != done && step != before && step != state_.best_step.value_or(done))
      remove_checkpoint(config_.run.path, step);
  }
}

int64_t last_evaluated_before(int64_t step, int64_t every, const std::vector<int64_t>& checkpoints) {
  int64_t last = 0;
  for (const int64_t c : checkpoints) {
    if (c < step && c % every == 0) last = c;
  }
  return last;
}

}  // namespace circuit
