#include "run/execute.h"

#include <ATen/ops/tensor.h>

#include <cstdlib>
#include <optional>

#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/peak_memory.h"
#include "core/progress.h"
#include "core/setting_name.h"
#include "io/files.h"
#include "ranks/shares.h"
#include "report/run_page/run_page.h"
#include "run/circuit_quality.h"
#include "run/interrupt.h"
#include "run/plan.h"
#include "run/run_folder.h"
#include "run/run_inputs.h"
#include "run/run_observer.h"
#include "store/number_json.h"
#include "store/recorded_circuit.h"
#include "store/recorder.h"
#include "store/run_lock.h"
#include "store/run_reader.h"
#include "tuning/gradient_check.h"

namespace circuit {
namespace {

RecorderSpec recorder_spec(const RunConfig& config) {
  RecorderSpec spec;
  spec.scores.keep = config.run.keep_scores;
  spec.scores.every = config.run.keep_every;
  spec.scores.discovery_every = config.discovery.every;
  spec.scores.evaluation_every = config.evaluation.every;
  spec.loggers = config.run.loggers;
  return spec;
}

Json summary_json(const RunSummary& s) {
  return {{"before", numbers_json(s.before)},
          {"after", numbers_json(s.after)},
          {"steps", s.steps},
          {"best_step", s.best_step},
          {"touched_parameters", s.touched_parameters},
          {"touched_share", static_cast<double>(s.touched_parameters) / static_cast<double>(s.all_parameters)},
          {"all_parameters", s.all_parameters},
          {"largest_trainable", s.largest_trainable},
          {"seconds", s.seconds},
          {"peak_memory", s.peak_memory}};
}

// 0 where there is none.
int64_t number_of(const std::string& text) { return std::strtoll(text.c_str(), nullptr, 10); }

void hold_gradient(const RunConfig& config, TuneModel& model, const TuneData& data) {
  const TunerSpec spec = tuner_spec(config, model, data);
  Model& weights = model.open.model;
  const ExampleBatch batch =
      make_example_batch(task_batches(spec.batches, 0)[0], weights.architecture(), weights.device());
  const GradientCheck check = check_gradient(weights, model.table.slices(), batch);
  const std::string found = fmt::format("gradient of {}: {:.6g} by the backward, {:.6g} by differences of the loss",
                                        check.slice, check.gradient, check.slope);
  if (!check.holds())
    fail(setting("paranoid"), "{}: they part by more than {:.2g}. Please report this.", found, check.limit);
  log_info("{}.", found);
}

// A run under way: what its parts share from the start to the end.
class Execution {
 public:
  Execution(RunConfig config, const ComputeSpec& compute, const RunHost& host)
      : config_(with_initial_weights(std::move(config))),
        compute_(compute),
        memory_(memory_limit(compute)),
        hook_(host.after_step),
        model_(std::make_unique<TuneModel>(config_, compute, host.weights)),
        data_(config_, model_->open) {}

  RunSummary run(Checks checks) {
    check_quality_records(config_, data_, model_->open.model.architecture());
    if (checks == Checks::kParanoid) hold_gradient(config_, *model_, data_);
    const bool leads = world().leads();
    const bool fresh = from_first(world(), "a new run", !file_exists(config_.run.path));
    check_ranks();
    const std::vector<int64_t> saved = fresh ? std::vector<int64_t>() : checkpoint_steps(config_.run.path);
    if (!world().is_alone()) agree(world(), "last checkpoint", std::to_string(saved.empty() ? 0 : saved.back()));
    if (!fresh) peak_ = number_of(recorded_meta(config_.run.path, "peak_memory"));
    std::optional<RunLock> lock;
    if (fresh) {
      make_folder();
      if (leads) lock.emplace(config_.run.path, RunLock::Use::kWork);
    } else if (leads) {
      lock.emplace(config_.run.path, RunLock::Use::kWork);
      check_folder();
    }
    RunState state;
    // Before the store is opened to write: a checkpoint that is refused leaves the run as it was.
    if (!saved.empty()) {
      trained_ = stored_parameters(config_, config_.run.path, *model_);
      state = load_checkpoint(config_.run.path, saved.back(), model_->open.checkpoint, trained_->store());
    }
    from_first(world(), "the run as it is", true);  // read by all before the first one writes
    std::optional<Recorder> writes;
    open_recorder(saved.empty() ? 0 : saved.back(), &writes);
    Recorder& recorder = *writes;
    if (!saved.empty()) {
      log_info("going on from step {}.", state.step);
    } else {
      begin(&recorder);
    }
    say_memory();
    recorder.meta("status", "running");
    note_interrupts();
    return train(state, &recorder);
  }

 private:
  // Every rank has the same base and the same data, wherever it reads them.
  void check_ranks() const {
    if (world().is_alone()) return;
    agree(world(), "base model", base_sums(model_->open.checkpoint));
    agree(world(), "data", data_sums(config_));
    agree(world(), "precision", compute_.dtype);
  }

  // The first rank records; the others know the last circuit.
  void open_recorder(int64_t next_step, std::optional<Recorder>* recorder) const {
    std::vector<at::Tensor> last(1);
    if (world().leads()) {
      set_log_file(config_.run.path + "/log.txt");
      recorder->emplace(config_.run.path + "/run.db", model_->graph, next_step, recorder_spec(config_));
      if ((*recorder)->last_circuit()) last[0] = at::tensor((*recorder)->last_circuit()->edges, at::kLong);
    }
    last = unpack(gather(world(), "last circuit", pack(last))[0]);
    if (world().leads()) return;
    std::optional<Circuit> circuit;
    if (last[0].defined()) {
      const auto* edges = last[0].data_ptr<int64_t>();
      circuit.emplace().edges.assign(edges, edges + last[0].numel());
    }
    recorder->emplace(model_->graph, std::move(circuit));
  }

  // What a configuration asks of this graph and these records is found before there is a folder: bad data leaves
  // nothing.
  void make_folder() {
    const TunerSpec spec = tuner_spec(config_, *model_, data_);
    if (scores_edges(config_)) CircuitPolicy(model_->graph, model_->table, spec.discovery.policy);
    make_parameters();
    before_ = evaluate_run(config_, *model_, trained_->store(), data_, Splits::kAll, Weights::kBase);
    create_run(config_, compute_, *model_, trained_->store());
  }

  void check_folder() const {
    check_same_dtype(config_, compute_);
    check_base(config_.run.path, model_->open.checkpoint);
    check_data(config_.run.path, config_);
    remove_unfinished(config_.run.path);
  }

  void make_parameters() {
    const TuningMethod& method = config_.method();
    if (method.needs_first_circuit(config_.tuning)) {
      first_ = find_first_circuit(config_, *model_, data_);
      method.match(model_->input(config_), first_->circuit, first_->slices, &config_.tuning);
    }
    const bool made_of_it = method.is_made_of_first_circuit(config_.tuning);
    const std::optional<ScoredCircuit> scored = first_ ? std::optional<ScoredCircuit>(first_->scored()) : std::nullopt;
    trained_ = method.make(model_->input(config_), made_of_it ? &*scored : nullptr);
  }

  // Before the first step.
  void begin(Recorder* recorder) {
    if (!trained_) make_parameters();
    if (before_.empty())
      before_ = evaluate_run(config_, *model_, trained_->store(), data_, Splits::kAll, Weights::kBase);
    recorder->evaluation(0, before_);
    if (config_.method().is_made_of_first_circuit(config_.tuning)) {
      const ScoreResult& scores = first_->scores;
      recorder->discovery(
          {0, scores.scores, first_->circuit, scores.metric, scores.examples, scores.sum_rule_error, first_->seconds},
          trained_->store().current_parameters(), model_->open.model.parameter_count());
    }
    trained_->begin();
  }

  void say_memory() {
    // Circuits may come to hold every slice.
    const int64_t most = config_.method().finds_circuits() ? model_->table.parameters(model_->table.all())
                                                           : trained_->store().current_parameters();
    const TuneMemory memory = tune_memory(config_, *model_, data_, most, most);
    const bool bound = config_.method().finds_circuits();
    log_info("memory{}: {}; {} at hand.", bound ? ", should circuits come to hold every slice" : "", memory.text(),
             format_bytes(static_cast<double>(memory_)));
    if (!bound) warn_of_memory(memory, memory_);
  }

  RunSummary train(const RunState& state, Recorder* recorder) {
    RunSummary summary = loop(state, recorder);
    // What was trained is on disk: the best step is read into the memory that it leaves.
    trained_.reset();
    model_.reset();
    release_free_memory();
    if (!summary.interrupted) finish(recorder, &summary);
    if (summary.interrupted) recorder->meta("status", "stopped");
    return summary;
  }

  RunSummary loop(const RunState& state, Recorder* recorder) {
    RunObserver observer(config_, *model_, trained_->store(), data_, *recorder, state, memory_, hook_);
    const int64_t patience = config_.evaluation.patience;
    const bool exhausted = patience > 0 && state.evaluations_since_best >= patience;
    if (!observer.catch_up() && !observer.was_interrupted() && !exhausted && !observer.is_at_its_metric()) {
      const std::unique_ptr<Trainer> trainer = trained_->trainer(tuner_spec(config_, *model_, data_));
      trainer->restore(state.policy);
      observer.watch(*trainer);
      trainer->run(state.step, observer);
    }
    RunSummary summary;
    summary.all_parameters = model_->open.model.parameter_count();
    summary.steps = observer.state().step;
    summary.seconds = observer.seconds();
    summary.largest_trainable = observer.largest_trainable();
    summary.best_step = observer.state().best_step.value_or(observer.state().step);
    at_its_metric_ = observer.is_at_its_metric();
    summary.interrupted = observer.was_interrupted();
    // Of what went before, too, where a run goes on.
    peak_ = std::max(peak_, peak_memory());
    summary.peak_memory = peak_;
    recorder->meta("peak_memory", std::to_string(peak_));
    summary.ranks = world().count();
    for (const double sent : joined(world(), "bytes sent", {static_cast<double>(observer.sent_bytes())}))
      summary.sent_bytes += static_cast<int64_t>(sent) / world().count();
    return summary;
  }

  // The best step on a fresh copy of the base: slices that entered later must be the base's again.
  void finish(Recorder* recorder, RunSummary* summary) {
    from_first(world(), "the last checkpoint", true);  // it is there
    TuneModel best(config_, compute_);
    const std::unique_ptr<Trained> trained = stored_parameters(config_, config_.run.path, best);
    try {
      if (at_its_metric_) evaluate_before(summary->best_step, best, trained->store(), recorder);
    } catch (const Interrupted&) {
      summary->interrupted = true;
      return;
    }
    load_values(config_.run.path, summary->best_step, best.open.checkpoint, trained->store());
    summary->touched_parameters = trained->store().changed_parameters();
    try {
      summary->after = evaluate_run(config_, best, trained->store(), data_, Splits::kAll);
    } catch (const Interrupted&) {
      summary->interrupted = true;
      return;
    }
    recorder->evaluation(summary->best_step, summary->after);
    summary->before = recorder->evaluations(0);
    const auto totals = recorder->totals();
    summary->seconds = totals.seconds;
    summary->largest_trainable = totals.largest_trainable;
    recorder->meta("summary", summary_json(*summary).dump());
    recorder->meta("status", "finished");
    if (world().leads()) write_report(config_.run.path);
  }

  // What general text had cost at the last evaluation before the run came to evaluation.stop_at.
  void evaluate_before(int64_t end, const TuneModel& model, ParameterStore& store, Recorder* recorder) const {
    const int64_t last = last_evaluated_before(end, config_.evaluation.every, checkpoint_steps(config_.run.path));
    if (last == 0) return;  // the first evaluation
    load_values(config_.run.path, last, model.open.checkpoint, store);
    recorder->evaluation(last, evaluate_run(config_, model, store, data_, Splits::kDevelopment));
  }

  RunConfig config_;
  const ComputeSpec compute_;
  const int64_t memory_;  // bytes at hand before anything was loaded
  const StepHook hook_;
  std::unique_ptr<TuneModel> model_;  // as it is trained
  const TuneData data_;
  std::optional<FirstCircuit> first_;
  std::unique_ptr<Trained> trained_;
  Evaluation before_;
  bool at_its_metric_ = false;
  int64_t peak_ = 0;  // bytes held at most
};

}  // namespace

std::unique_ptr<Trained> stored_parameters(const RunConfig& config, const std::string& run, TuneModel& model) {
  const TuningMethod& method = config.method();
  if (!method.is_made_of_first_circuit(config.tuning)) return method.make(model.input(config), nullptr);
  // Its one discovery stands at step 0.
  const RecordedCircuit first = read_recorded_circuit(run, 0);
  const ScoredCircuit scored{first.file.circuit, first.file.scores};
  return method.make(model.input(config), &scored);
}

RunSummary execute_run(RunConfig config, const ComputeSpec& compute, Checks checks, const RunHost& host) {
  reset_peak_memory();
  return Execution(std::move(config), compute, host).run(checks);
}

}  // namespace circuit
