// zero: nothing is written.
#include <ATen/ops/zeros.h>

#include "intervention/ablation.h"

namespace circuit {
namespace {

class Zero : public AblatedOutputs {
 public:
  Zero(const Model& model, MlpForm form) {
    const Architecture& a = model.architecture();
    const auto options = model.embedding().options();
    zeros_.input = at::zeros({1, a.d_model}, options);
    const at::Tensor heads = at::zeros({1, a.n_heads * a.value_width()}, options);
    zeros_.z.assign(a.n_layers, heads);
    for (int64_t l = 0; l < a.n_layers; ++l) {
      zeros_.mlp.push_back(form == MlpForm::kOutput ? zeros_.input : at::zeros({1, a.mlp_channels(l)}, options));
    }
  }
  NodeOutputs of(const std::vector<const Example*>& /*examples*/, const ExampleBatch& /*batch*/,
                 const ReadRows& /*read*/) const override {
    return zeros_;
  }

 private:
  NodeOutputs zeros_;
};

std::unique_ptr<const AblatedOutputs> prepare_zero(const Model& model, const std::vector<const Example*>& /*reference*/,
                                                   int64_t /*batch*/, MlpForm form) {
  return std::make_unique<Zero>(model, form);
}

}  // namespace

Ablation zero_ablation() { return {"zero", "nothing", prepare_zero}; }

}  // namespace circuit
