// The model of a run at its checkpoints.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/settings.h"
#include "dynamics/analysis.h"
#include "run/execute.h"

namespace circuit {

struct StatesSpec {
  std::string data;       // records to measure on; empty: the run's dev file
  int64_t records = 200;  // of them, at most
  int64_t states = 5;     // at most so many, spread over the checkpoints that are there, the base first

  void declare(Settings* settings);
};

class RunStates : public ModelStates {
 public:
  // Throws Error: no checkpoint, no records.
  RunStates(const std::string& run, const ComputeSpec& compute, const StatesSpec& what);

  const std::vector<int64_t>& steps() const override { return steps_; }
  const Graph& graph() const override { return base_->graph; }
  const Model& base() override { return base_->open.model; }
  const Model& at(int64_t step) override;
  const std::vector<const Example*>& examples() const override { return examples_; }
  const ScoreSpec& spec() const override { return spec_; }

 private:
  std::string run_;
  ComputeSpec compute_;
  RunConfig config_;
  std::vector<int64_t> steps_;
  std::unique_ptr<TuneModel> base_, other_;
  std::unique_ptr<Trained> trained_;
  int64_t other_step_ = -1;
  Dataset data_;
  std::vector<const Example*> examples_;
  ScoreSpec spec_;
};

}  // namespace circuit
