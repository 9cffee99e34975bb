// Watches a run: records, evaluates, saves, shows progress, stops.
#pragma once

#include <cstdint>
#include <vector>

#include "core/progress.h"
#include "run/run_model.h"
#include "run/step_report.h"
#include "store/recorder.h"
#include "tuning/run_checkpoint.h"
#include "tuning/trainer.h"

namespace circuit {

class RunObserver : public TuneObserver {
 public:
  // All must outlive it; state: what the run goes on from; memory: bytes at hand.
  RunObserver(const RunConfig& config, TuneModel& model, ParameterStore& store, const TuneData& data,
              Recorder& recorder, RunState state, int64_t memory, StepHook hook);

  void on_discovery(const DiscoveryEvent& event) override;
  void on_step(const StepEvent& event) override;
  bool after_updates(int64_t done) override;
  // Beside the last checkpoint: what the step that ends the run had read.
  void on_failure(const FailedStep& failure) override;

  // The evaluation that Ctrl-C kept from the checkpoint that the run goes on from. True: patience has run out.
  bool catch_up() { return state_.evaluation_due && evaluate_and_save(state_.step); }
  // Whose policy's state goes into checkpoints.
  void watch(const Trainer& trainer) { trainer_ = &trainer; }

  const RunState& state() const { return state_; }
  // Whether evaluation.stop_at has been reached.
  bool is_at_its_metric() const;
  double seconds() const { return seconds_; }         // of the steps seen
  int64_t sent_bytes() const { return sent_bytes_; }  // to other ranks, in their steps
  int64_t largest_trainable() const { return largest_trainable_; }
  bool was_interrupted() const { return was_interrupted_; }

 private:
  // Interrupted, the state is saved without its evaluation, which is made up for when the run goes on.
  bool evaluate_and_save(int64_t done);
  void show(int64_t done);
  // What the slices trained so far take, whenever they have become more.
  void say_memory();
  bool evaluate(int64_t done);  // true: patience has run out
  void save(int64_t done);

  const RunConfig& config_;
  TuneModel& model_;
  ParameterStore& store_;
  const Trainer* trainer_ = nullptr;
  const TuneData& data_;
  Recorder& recorder_;
  RunState state_;
  Progress progress_;
  int64_t memory_;
  int64_t said_parameters_ = 0;
  const StepHook hook_;
  StepReport last_;
  double metric_ = 0;  // of the last discovery
  double seconds_ = 0;
  int64_t largest_trainable_ = 0;
  int64_t sent_bytes_ = 0;
  bool said_fewer_ = false;
  bool was_interrupted_ = false;
};

// Of ascending checkpoints, the last one before `step` that was evaluated and not only saved by Ctrl-C; 0: none.
int64_t last_evaluated_before(int64_t step, int64_t every, const std::vector<int64_t>& checkpoints);

}  // namespace circuit
