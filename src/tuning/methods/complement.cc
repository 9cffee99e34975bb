// The other control: everything but the circuit.
#include "tuning/methods/circuit_slices.h"

namespace circuit {
namespace {

class ComplementMethod : public CircuitMethod {
 public:
  const char* name() const override { return "complement"; }
  const char* help() const override { return "everything but the circuit"; }
  void shape(PolicySpec* policy) const override { policy->train = PolicySpec::Train::kComplement; }
};

}  // namespace

const TuningMethod& complement_method() {
  static const ComplementMethod method;
  return method;
}

}  // namespace circuit
