// mean: the node's mean output over all tokens of the reference.
#include "intervention/ablations/reference_mean.h"

namespace circuit {
namespace {

class Mean : public AblatedOutputs {
 public:
  explicit Mean(NodeOutputs mean) : mean_(std::move(mean)) {}
  NodeOutputs of(const std::vector<const Example*>& /*examples*/, const ExampleBatch& /*batch*/,
                 const ReadRows& /*read*/) const override {
    return mean_;
  }

 private:
  NodeOutputs mean_;  // [1, …]
};

std::unique_ptr<const AblatedOutputs> prepare_mean(const Model& model, const std::vector<const Example*>& reference,
                                                   int64_t batch, MlpForm form) {
  const MeanOutputs mean = mean_of_reference(
      model, reference, batch, form, [](NodeOutputs outputs, const ExampleBatch& /*batch*/) { return outputs; });
  return std::make_unique<Mean>(each_node(mean.mean(model.dtype()), [](const at::Tensor& t) {
    return t.view({1, -1});
  }));
}

}  // namespace

Ablation mean_ablation() {
  return {"mean", "the node's mean output over the records' tokens", prepare_mean, check_nothing, true};
}

}  // namespace circuit
