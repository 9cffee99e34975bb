// The tuning loop (method.md §5): find the circuit every K steps, update only its slices, report what
// happened. It knows nothing of stores, files or pages: an observer sees every discovery and every step.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/rng.h"
#include "graph/graph.h"
#include "graph/slices.h"
#include "scoring/scorer.h"
#include "task/example.h"
#include "tuning/batches.h"
#include "tuning/circuit_policy.h"
#include "tuning/general_text.h"
#include "tuning/optimizer.h"
#include "tuning/schedule.h"
#include "tuning/slice_store.h"
#include "tuning/tuning_settings.h"

namespace circuit {

// How circuits are found. Methods without one train what their store holds.
struct DiscoverySpec {
  Scorer scorer;
  ScoreSpec score;  // metric, ablation, positions; its batch is the run's
  PolicySpec policy;
  int64_t every = 1;    // K, steps between discoveries
  int64_t batches = 0;  // 0: discovery on the step's own batch; n: n batches drawn from the data
  SliceStore::OnReturn on_return = SliceStore::OnReturn::kKeep;
};

struct TunerSpec : TrainSettings {
  DiscoverySpec discovery;
  BatchSpec batches;
  OptimizerSpec optimizer;
  Schedule schedule;
  double clip = 0;
  const Model* base = nullptr;                   // where the loss has an anchor
  std::vector<std::vector<bool>> replay_masked;  // by replayed record and token: not anchored
};

struct DiscoveryEvent {
  int64_t step;
  const EdgeScores& scores;
  const Circuit& circuit;
  double metric;  // mean over the discovery's examples
  int64_t examples;
  double sum_rule_error;
  double seconds;
};

struct StepEvent {
  int64_t step;
  double loss;    // mean nats per target token, as optimised (regulariser included)
  double metric;  // of the discovery on this step, or NaN
  double learning_rate;
  int64_t target_tokens;
  int64_t trainable_parameters;
  UpdateNorms norms;  // per slice on discovery steps only
  double seconds;
  int64_t sent_bytes = 0;  // to other ranks, by this one
};

// A step that ends the run: its loss is not finite, or above the bound.
struct FailedStep {
  int64_t step;
  double loss;
  double learning_rate;
  std::vector<const Example*> examples;  // of the step
};

class TuneObserver {
 public:
  virtual ~TuneObserver() = default;
  virtual void on_discovery(const DiscoveryEvent& event) = 0;
  virtual void on_step(const StepEvent& event) = 0;
  // After `done` updates; true ends the run.
  virtual bool after_updates(int64_t done) = 0;
  // Before the run throws.
  virtual void on_failure(const FailedStep& failure) {}
};

class Trainer {
 public:
  // Trains what the store holds. The data of `spec.batches` must outlive the trainer.
  Trainer(const Model& model, ParameterStore& store, TunerSpec spec);
  // Finds circuits and trains their slices. table: the graph's slices, as the store has them.
  Trainer(const Model& model, const Graph& graph, const SliceTable& table, SliceStore& store, TunerSpec spec);

  // Updates first_step … steps − 1. Everything random is a function of (seed, step), so a run resumed at
  // first_step with the store's and the policy's state goes on as one that was never stopped. Throws Error on a
  // loss that is not finite or above the bound.
  void run(int64_t first_step, TuneObserver& observer);

  // What the next discovery builds on; empty for methods without one.
  PolicyState policy_state() const { return policy_ ? policy_->state() : PolicyState{}; }
  void restore(PolicyState state);

 private:
  struct Step;  // one update under way
  bool discovers_at(int64_t step) const;
  // Whether the metric's gradient is the loss's, but for a factor: then one backward serves both.
  bool metric_is_loss() const;
  void discover(Step* step, TuneObserver& observer);
  // ‖∂loss/∂slice‖₂ of every slice of the table, of the step's batches.
  std::vector<double> gradients_of_slices(const Step& step);
  // SliceEvidence::general: of every slice of the table.
  std::vector<double> general_squares(const Step& step) const;
  // What curvature and null space need of general text, where the store trains what it has not got it for.
  void spare_general_text(int64_t step);
  GeneralText general_text(int64_t step) const;
  void learn(Step* step);
  // Shows a micro-batch's gradients; gives its share of the loss's sum.
  double learn_batch(Step* step, size_t batch, WeightSink& sink);
  double add_loss(const Step& step, size_t batch, ForwardCache run, WeightSink& sink);
  // The anchor's weight on a batch; rows of it whose prediction is anchored.
  double anchor_of(const Step& step, size_t batch) const;
  at::Tensor anchored_rows(const Step& step, size_t batch) const;
  // Of what a loss of this batch reads the last stream; undefined: all.
  at::Tensor read_rows(const Step& step, size_t batch) const;
  void check_loss(const Step& step, TuneObserver& observer) const;
  void check_update(const Step& step, const UpdateNorms& norms, TuneObserver& observer) const;
  void step(int64_t s, TuneObserver& observer);
  void weigh(ExampleBatch* batch) const;

  const Model& model_;
  ParameterStore& store_;
  TunerSpec spec_;
  const Graph* graph_ = nullptr;  // with circuits
  const SliceTable* table_ = nullptr;
  SliceStore* slices_ = nullptr;
  std::unique_ptr<CircuitPolicy> policy_;
};

}  // namespace circuit
