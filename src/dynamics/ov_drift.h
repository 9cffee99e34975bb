// How training moved what a head writes for what it attends to: ΔOV = W_V' W_O' − W_V W_O.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace circuit {

struct OvDrift {
  std::vector<double> singular_values;  // of ΔOV, descending; at most 2 · d_head of them
  double norm = 0;                      // ‖W_V W_O‖ before, Frobenius
  at::Tensor input;                     // [d_model] float64, unit: what the largest part of the change reads
  at::Tensor output;                    // [d_model] float64, unit: and what it writes; the two's common sign is free

  double change() const;        // ‖ΔOV‖, Frobenius
  double share_of_top() const;  // σ1² / Σ σ²; 0 where nothing changed
};

// w_v [d_model, d_head], w_o [d_head, d_model] of one head, before and after. ΔOV has rank 2 · d_head at most, so it is
// factored through two thin QR and never made.
OvDrift ov_drift(const at::Tensor& w_v, const at::Tensor& w_o, const at::Tensor& w_v_after,
                 const at::Tensor& w_o_after);

// |cos| of two directions; 0 where one of them is 0. Of random ones √(2 / (π d)) on average.
double alignment(const at::Tensor& a, const at::Tensor& b);

}  // namespace circuit
