// What text that is not the task's uses of a model: windows of data.replay, one backward each. Tuning that spares it
// reads from here which slices matter to it (selection.slices = contrastive), how sharply its loss bends at each
// parameter (optimizer.curvature) and what linear layers are given by it (tuning.null_space).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "task/example.h"
#include "tuning/weight_gradients.h"

namespace circuit {

struct GeneralText {
  const std::vector<Example>& text;
  int64_t windows = 0;  // drawn with replacement
  uint64_t seed = 0;
  int64_t step = 0;  // that asks: others draw other windows
  bool recompute = false;
};

// Shows the gradients of each window's mean nll per token to begin(window), then calls end(window); windows of this
// rank's share, ascending.
void read_general(const Model& model, const GeneralText& general, const std::function<WeightSink&(int64_t)>& begin,
                  const std::function<void(int64_t)>& end);

}  // namespace circuit
