// What the tests of tuning share.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "task/tiny_examples.h"
#include "tuning/trainer.h"

namespace circuit {

inline std::map<std::string, at::Tensor> copy_of(const Model& model) {
  std::map<std::string, at::Tensor> copy;
  for (const auto& [name, tensor] : model.parameters()) copy[name] = tensor.clone();
  return copy;
}

class Watcher : public TuneObserver {
 public:
  void on_discovery(const DiscoveryEvent& event) override {
    edges += static_cast<int64_t>(event.circuit.edges.size());
    sum_rule_error = std::max(sum_rule_error, event.sum_rule_error);
  }
  void on_step(const StepEvent& event) override { losses.push_back(event.loss); }
  bool after_updates(int64_t done) override { return done == stop_after; }
  int64_t edges = 0;
  int64_t stop_after = -1;
  double sum_rule_error = 0;
  std::vector<double> losses;
};

inline TunerSpec spec_for(const std::string& optimizer, const std::vector<Example>& train) {
  TunerSpec spec;
  spec.discovery.scorer = eap_scorer();
  spec.discovery.score.metric = logit_diff_metric();
  spec.discovery.score.ablation = find_ablation("mean");
  spec.discovery.policy.selector = top_edges_selector();
  spec.discovery.policy.selection.n = 6;
  spec.discovery.every = 3;
  spec.steps = 50;
  spec.batches.train = &train;
  spec.batches.batch = 3;
  spec.batches.accumulation = 2;
  spec.clip = 0.5;
  spec.optimizer.kind = optimizer;
  spec.optimizer.weight_decay = 0.1;
  spec.schedule.lr = 0.05;
  spec.schedule.warmup = 5;
  spec.schedule.steps = 50;
  return spec;
}

}  // namespace circuit
