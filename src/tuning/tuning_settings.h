// What a run trains, for how long, on what loss.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/parameters.h"
#include "graph/slices.h"
#include "tuning/batches.h"
#include "tuning/slice_store.h"

namespace circuit {

// Of the loop over steps.
struct TrainSettings {
  int64_t steps = 1000;
  double readout_weight = 1;     // factor of the loss terms of readout tokens
  bool readout_only = false;     // the loss counts readout tokens only
  double regulariser = 0;        // β of β · mean |logit difference|
  double anchor = 0;             // β of β · KL(base ‖ model) where the task's records have no readout
  double null_space = 0;         // share of general text's inputs that updates are kept off; 0: none
  int64_t general_windows = 32;  // of data.replay, read for what general text uses
  double anchor_replay = 0;      // β′ of the same on replayed text, in the place of its likelihood
  double max_loss = 0;           // nats per target token above which the run stops; 0: no bound
  bool recompute = false;        // activations are made again in the backward instead of kept
};

struct TuningSettings : TrainSettings {
  std::string method = "circuit";         // of tuning_methods()
  std::map<std::string, Parameters> own;  // settings of each method, by its name
  BatchSettings batches;
  SlicePolicy slices;
  SliceStore::OnReturn on_return = SliceStore::OnReturn::kKeep;
  bool match_parameters = false;

  // Section "tuning", and one for every method that has settings of its own.
  void declare(Settings* settings);
  const Parameters& own_of(const std::string& name) const;
};

}  // namespace circuit
