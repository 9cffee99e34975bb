// The tuning loop (method.md §5): find the circuit every K steps, update only its slices, report what
// happened. It knows nothing of stores, files or pages: an observer sees every discovery and every step.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/rng.h"
#include "graph/graph.h"
#include "graph/slices.h"
#include "scoring/scorer.h"
#include "selection/selector.h"
#include "task/example.h"
#include "tuning/optimizer.h"
#include "tuning/schedule.h"
#include "tuning/slice_store.h"

namespace circuit {

struct TunerSpec {
  bool discovers = true;         // false: the method trains one fixed set of slices (full)
  Scorer scorer;
  ScoreSpec score;               // metric, ablation, positions; its batch is the run's
  Selector selector;
  SelectionSpec selection;
  int64_t every = 1;             // K, steps between discoveries
  int64_t discovery_batches = 0; // 0: discovery on the step's own batch; n: n batches drawn from the data
  int64_t steps = 1000;
  int64_t batch = 16;            // sequences in a micro-batch
  int64_t accumulation = 1;      // micro-batches per update
  uint64_t seed = 0;
  OptimizerSpec optimizer;
  Schedule schedule;
  double clip = 0;
  SliceStore::OnReturn on_return = SliceStore::OnReturn::kKeep;
  double readout_weight = 1;     // factor of the loss terms of readout tokens
  bool readout_only = false;     // the loss counts readout tokens only
};

struct DiscoveryEvent {
  int64_t step;
  const EdgeScores& scores;
  const Circuit& circuit;
  double metric;            // mean over the discovery's examples
  int64_t examples;
  double sum_rule_error;
  double seconds;
};

struct StepEvent {
  int64_t step;
  double loss;              // mean nats per target token, as optimised
  double metric;            // of the discovery on this step, or NaN
  double learning_rate;
  int64_t target_tokens;
  int64_t trainable_parameters;
  UpdateNorms norms;        // per slice on discovery steps only
  double seconds;
};

class TuneObserver {
 public:
  virtual ~TuneObserver() = default;
  virtual void on_discovery(const DiscoveryEvent& event) = 0;
  virtual void on_step(const StepEvent& event) = 0;
  // After `done` updates; true ends the run.
  virtual bool after_updates(int64_t done) = 0;
};

class Trainer {
 public:
  // table: the graph's slices for methods that discover. train must outlive the trainer.
  Trainer(const Model& model, const Graph& graph, const SliceTable& table, SliceStore& store,
          const std::vector<Example>& train, TunerSpec spec);

  // Updates first_step … steps − 1. Everything random is a function of (seed, step), so a run resumed at
  // first_step with the store's state goes on as one that was never stopped. Throws Error on a loss that is
  // not finite.
  void run(int64_t first_step, TuneObserver& observer);

  // The examples of one update, micro-batch by micro-batch: each epoch is one permutation of the data.
  std::vector<std::vector<const Example*>> batches_of(int64_t step) const;

 private:
  // run: the forward of the step's only batch, where discovery can share it; else null.
  void discover(int64_t step, const std::vector<std::vector<const Example*>>& batches, const ExampleBatch* batch,
                const ForwardCache* run, TuneObserver& observer);
  std::vector<std::vector<const Example*>> discovery_batches(int64_t step) const;
  void step(int64_t s, TuneObserver& observer);
  void weigh(ExampleBatch* batch) const;

  const Model& model_;
  const Graph& graph_;
  const SliceTable& table_;
  SliceStore& store_;
  const std::vector<Example>& train_;
  TunerSpec spec_;
  double last_metric_ = 0;
};

}  // namespace circuit
