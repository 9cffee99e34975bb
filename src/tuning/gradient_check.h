// One slice's gradient against central differences of the loss: what --paranoid looks at before a run.
#pragma once

#include <string>

#include "graph/slices.h"
#include "task/example.h"

namespace circuit {

struct GradientCheck {
  std::string slice;    // node and tensor of the slice with the largest gradient
  double gradient = 0;  // ‖g‖, nats per unit of weight: the slope along g by the backward
  double slope = 0;     // the same by central differences, at the distance where the two agree best
  double error = 0;     // |slope / gradient − 1|
  double limit = 0;     // what rounding in the model's dtype allows
  bool holds() const { return error <= limit; }
};

// Of the summed loss of `batch`. The weights are moved and put back. Distances from 10⁻⁴ to 10⁻¹ of the slice's norm
// are tried: too short ones drown in rounding, too long ones leave the slope; a wrong gradient agrees at none.
GradientCheck check_gradient(Model& model, const std::vector<Slice>& slices, const ExampleBatch& batch);

}  // namespace circuit
