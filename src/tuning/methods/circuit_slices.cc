#include "tuning/methods/circuit_slices.h"

namespace circuit {
namespace {

class CircuitSlices : public Trained {
 public:
  explicit CircuitSlices(const MethodInput& input)
      : input_(input), store_(input.model, input.table.slices(), input.optimizer.rates_of(input.table)) {}
  ParameterStore& store() override { return store_; }
  std::unique_ptr<Trainer> trainer(TunerSpec spec) override {
    return std::make_unique<Trainer>(input_.model, input_.graph, input_.table, store_, std::move(spec));
  }

 private:
  const MethodInput input_;
  SliceStore store_;
};

}  // namespace

std::unique_ptr<Trained> CircuitMethod::make(const MethodInput& input, const ScoredCircuit*) const {
  return std::make_unique<CircuitSlices>(input);
}

}  // namespace circuit
