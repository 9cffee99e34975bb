// The slices whose loss gradient is the largest per parameter: ‖g‖²/n.
#include "tuning/slice_choice.h"

namespace circuit {
namespace {

class GradientNorm : public SliceChoice {
 public:
  bool reads_gradients() const override { return true; }
  std::vector<int64_t> choose(const ChosenFrom& from, Rng& /*rng*/) const override {
    std::vector<double> squares;
    for (const double g : from.evidence.gradients) squares.push_back(g * g);
    return densest(from.table, from.all, squares, from.table.parameters(from.circuit));
  }
};

std::unique_ptr<const SliceChoice> make_gradient_norm(const Model& /*base*/, const Checkpoint& /*files*/,
                                                      const SliceTable& /*table*/, const Parameters& /*own*/) {
  return std::make_unique<GradientNorm>();
}

}  // namespace

SliceChoiceKind gradient_norm_choice() {
  return {"gradient-norm", "those of the largest loss gradient per parameter", make_gradient_norm};
}

}  // namespace circuit
