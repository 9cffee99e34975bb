// mean-positional: the node's mean output at each position, over a reference of equal lengths.
#include "core/error.h"
#include "intervention/ablations/reference_mean.h"

namespace circuit {
namespace {

class MeanPositional : public AblatedOutputs {
 public:
  explicit MeanPositional(NodeOutputs mean) : mean_(std::move(mean)) {}
  NodeOutputs of(const std::vector<const Example*>& examples, const ExampleBatch& batch,
                 const ReadRows& /*read*/) const override {
    for (size_t i = 0; i < examples.size(); ++i) {
      if (batch.tokens.lengths[i] == mean_.input.size(0)) continue;
      fail(batch.places[i], "{} tokens where the means are over {}: mean-positional needs equal lengths.",
           batch.tokens.lengths[i], mean_.input.size(0));
    }
    return each_node(mean_, [&](const at::Tensor& t) { return t.index_select(0, batch.tokens.positions); });
  }

 private:
  NodeOutputs mean_;  // [pos, …]
};

void equal_lengths(const std::vector<const Example*>& examples, const Architecture& /*architecture*/) {
  for (const Example* e : examples) {
    if (e->ids.size() == examples[0]->ids.size()) continue;
    fail(e->place, "{} tokens where the first record has {}: mean-positional needs equal lengths.", e->ids.size(),
         examples[0]->ids.size());
  }
}

std::unique_ptr<const AblatedOutputs> prepare_mean_positional(const Model& model,
                                                              const std::vector<const Example*>& reference,
                                                              int64_t batch, MlpForm form) {
  equal_lengths(reference, model.architecture());
  // One row per sequence; a row's mean over sequences is the mean at each position.
  const MeanOutputs mean =
      mean_of_reference(model, reference, batch, form, [](const NodeOutputs& outputs, const ExampleBatch& b) {
        return each_node(outputs, [&](const at::Tensor& t) { return t.reshape({b.examples, -1}); });
      });
  const int64_t length = reference.empty() ? 0 : static_cast<int64_t>(reference[0]->ids.size());
  return std::make_unique<MeanPositional>(each_node(mean.mean(model.dtype()), [&](const at::Tensor& t) {
    return t.view({length, -1});
  }));
}

}  // namespace

Ablation mean_positional_ablation() {
  return {"mean-positional", "the node's mean output at each position, of records of equal length",
          prepare_mean_positional, equal_lengths};
}

}  // namespace circuit
