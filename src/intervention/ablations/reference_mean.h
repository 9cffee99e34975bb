// A pass over a reference, for the ablations that replace an output by a mean of it.
#pragma once

#include <algorithm>
#include <vector>

#include "intervention/ablation.h"
#include "ranks/shares.h"
#include "ranks/tree_sum.h"

namespace circuit {

// The mean of the reference's outputs, of which shape(outputs, batch) makes the rows that are averaged; each rank runs
// a share of its batches.
template <typename Shape>
MeanOutputs mean_of_reference(const Model& model, const std::vector<const Example*>& reference, int64_t batch,
                              MlpForm form, const Shape& shape) {
  const auto total = static_cast<int64_t>(reference.size());
  const Share share = share_of(parts_of(total, batch), world());
  TreeSum sum;
  for (int64_t part = share.first; part < share.last; ++part) {
    const int64_t first = part * batch;
    const std::vector<const Example*> examples(reference.begin() + first,
                                               reference.begin() + std::min(total, first + batch));
    const ExampleBatch b = make_example_batch(examples, model.architecture(), model.device());
    const ReadRows read{{}, false, form == MlpForm::kChannels};
    MeanOutputs one;
    one.add(shape(node_outputs(model.architecture(), forward(model, b.tokens, Keep::kNodeOutputs, read), form), b));
    sum.add(part, one.take());
  }
  MeanOutputs mean;
  if (std::vector<at::Tensor> sums = sum.finish(world(), "mean outputs"); !sums.empty()) mean.give(std::move(sums));
  return mean;
}

}  // namespace circuit
