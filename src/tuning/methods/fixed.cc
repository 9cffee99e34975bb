// Circuit-tuning with the first circuit throughout.
#include "tuning/methods/circuit_slices.h"

namespace circuit {
namespace {

class FixedMethod : public CircuitMethod {
 public:
  const char* name() const override { return "fixed"; }
  const char* help() const override { return "the first circuit throughout"; }
  void shape(PolicySpec* policy) const override { policy->once = true; }
};

}  // namespace

const TuningMethod& fixed_method() {
  static const FixedMethod method;
  return method;
}

}  // namespace circuit
