// What the methods that find circuits share: slices that a policy chooses.
#pragma once

#include <memory>

#include "tuning/method.h"

namespace circuit {

class CircuitMethod : public TuningMethod {
 public:
  bool finds_circuits() const override { return true; }
  std::unique_ptr<Trained> make(const MethodInput& input, const ScoredCircuit* first) const override;
};

}  // namespace circuit
