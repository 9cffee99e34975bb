// A pass over a reference, for the ablations that replace an output by a mean of it.
#pragma once

#include <algorithm>
#include <vector>

#include "intervention/ablation.h"

namespace circuit {

// Calls visit(NodeOutputs, batch) for every batch of the reference.
template <typename Visit>
void for_outputs(const Model& model, const std::vector<const Example*>& reference, int64_t batch, MlpForm form,
                 const Visit& visit) {
  const auto total = static_cast<int64_t>(reference.size());
  for (int64_t first = 0; first < total; first += batch) {
    const std::vector<const Example*> part(reference.begin() + first,
                                           reference.begin() + std::min(total, first + batch));
    const ExampleBatch b = make_example_batch(part, model.architecture(), model.device());
    const ReadRows read{{}, false, form == MlpForm::kChannels};
    visit(node_outputs(model.architecture(), forward(model, b.tokens, Keep::kNodeOutputs, read), form), b);
  }
}

}  // namespace circuit
