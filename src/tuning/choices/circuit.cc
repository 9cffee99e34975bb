// The paper's: what the circuit's nodes own.
#include "tuning/slice_choice.h"

namespace circuit {
namespace {

class CircuitsOwn : public SliceChoice {
 public:
  std::vector<int64_t> choose(const ChosenFrom& from, Rng& /*rng*/) const override { return from.circuit; }
};

std::unique_ptr<const SliceChoice> make_circuit_choice(const Model& /*base*/, const Checkpoint& /*files*/,
                                                       const SliceTable& /*table*/, const Parameters& /*own*/) {
  return std::make_unique<CircuitsOwn>();
}

}  // namespace

SliceChoiceKind circuit_choice() { return {"circuit", "the circuit's own", make_circuit_choice}; }

}  // namespace circuit
