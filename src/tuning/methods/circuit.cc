// Circuit-tuning (arXiv 2502.06106): the slices of the circuit, which is found again every K steps.
#include "tuning/methods/circuit_slices.h"

namespace circuit {
namespace {

class CircuitTuning : public CircuitMethod {
 public:
  const char* name() const override { return "circuit"; }
  const char* help() const override { return "the circuit's slices"; }
};

}  // namespace

const TuningMethod& circuit_method() {
  static const CircuitTuning method;
  return method;
}

}  // namespace circuit
