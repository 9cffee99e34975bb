// counterfactual: what the node puts out at the same position of the record's counterfactual (its input corrupted).
#include "intervention/ablation.h"

namespace circuit {
namespace {

class Counterfactual : public AblatedOutputs {
 public:
  Counterfactual(const Model& model, MlpForm form) : model_(model), form_(form) {}
  NodeOutputs of(const std::vector<const Example*>& examples, const ExampleBatch& /*batch*/,
                 const ReadRows& read) const override {
    const ExampleBatch other =
        make_example_batch(examples, model_.architecture(), model_.device(), Side::kCounterfactual);
    ReadRows wanted = read;
    wanted.mlp_channels = form_ == MlpForm::kChannels;
    return node_outputs(model_.architecture(), forward(model_, other.tokens, Keep::kNodeOutputs, wanted), form_);
  }

 private:
  const Model& model_;
  MlpForm form_;
};

std::unique_ptr<const AblatedOutputs> prepare_counterfactual(const Model& model,
                                                             const std::vector<const Example*>& /*reference*/,
                                                             int64_t /*batch*/, MlpForm form) {
  return std::make_unique<Counterfactual>(model, form);
}

void has_counterfactual(const std::vector<const Example*>& examples, const Architecture& architecture) {
  for (const Example* e : examples) check_example(*e, architecture, Side::kCounterfactual);
}

}  // namespace

Ablation counterfactual_ablation() {
  return {"counterfactual", "the node's output on the record's counterfactual", prepare_counterfactual,
          has_counterfactual};
}

}  // namespace circuit
