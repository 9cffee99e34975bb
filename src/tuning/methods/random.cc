// The control: a random circuit of the size that the circuit would have.
#include "core/error.h"
#include "tuning/methods/circuit_slices.h"

namespace circuit {
namespace {

class RandomMethod : public CircuitMethod {
 public:
  const char* name() const override { return "random"; }
  const char* help() const override { return "a random one of its size"; }
  void shape(PolicySpec* policy) const override {
    policy->selector = random_selector();
    policy->once = true;
  }
  void check(const SelectionSpec& selection, const std::string& place) const override {
    if (selection.kind == "top-edges") return;
    fail(place, "tuning.method random takes the size of top-edges N; selection.kind {} has none.", selection.kind);
  }
};

}  // namespace

const TuningMethod& random_method() {
  static const RandomMethod method;
  return method;
}

}  // namespace circuit
