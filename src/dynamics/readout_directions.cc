#include "dynamics/readout_directions.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include "core/error.h"
#include "model/norm.h"

namespace circuit {

ReadoutDirections readout_directions(const Model& model, const std::vector<const Example*>& examples) {
  const at::Tensor scale = norm_scale(model.final_norm()).to(at::kCPU, at::kDouble);
  const at::Tensor unembedding = model.unembedding();
  const auto mean_row = [&](const std::vector<int64_t>& ids) {
    const at::Tensor index = at::tensor(ids, at::TensorOptions().dtype(at::kLong)).to(unembedding.device());
    return unembedding.index_select(0, index).to(at::kCPU, at::kDouble).mean(0);
  };
  std::vector<at::Tensor> rows;
  for (const Example* example : examples) {
    for (const Readout& readout : example->readouts) {
      if (readout.correct.empty() || readout.wrong.empty()) continue;
      rows.push_back(scale * (mean_row(readout.correct) - mean_row(readout.wrong)));
    }
  }
  if (rows.empty())
    fail("readouts", "no record has a readout with correct and wrong tokens: there is no direction to hold against.");
  const at::Tensor differences = at::stack(rows);
  ReadoutDirections directions;
  directions.readouts = differences.size(0);
  directions.mean = differences.mean(0);
  const auto [values, vectors] = at::linalg_eigh(at::mm(differences.t(), differences));
  directions.principal = vectors.select(1, vectors.size(1) - 1);
  return directions;
}

}  // namespace circuit
