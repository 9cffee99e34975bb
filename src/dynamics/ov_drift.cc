#include "dynamics/ov_drift.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mm.h>

#include <cmath>

namespace circuit {

double OvDrift::change() const {
  double sum = 0;
  for (const double s : singular_values) sum += s * s;
  return std::sqrt(sum);
}

double OvDrift::share_of_top() const {
  const double all = change();
  return all > 0 ? singular_values.front() * singular_values.front() / (all * all) : 0;
}

OvDrift ov_drift(const at::Tensor& w_v, const at::Tensor& w_o, const at::Tensor& w_v_after,
                 const at::Tensor& w_o_after) {
  const at::Tensor v = w_v.to(at::kCPU, at::kDouble);
  const at::Tensor o = w_o.to(at::kCPU, at::kDouble);
  // V' O' − V O = (V' − V) O' + V (O' − O): what did not change is exactly 0.
  const at::Tensor o_after = w_o_after.to(at::kCPU, at::kDouble);
  const at::Tensor left = at::cat({w_v_after.to(at::kCPU, at::kDouble) - v, v}, 1);  // [d_model, 2 d_head]
  const at::Tensor right = at::cat({o_after, o_after - o}, 0);                       // [2 d_head, d_model]
  const auto [q_left, r_left] = at::linalg_qr(left);
  const auto [q_right, r_right] = at::linalg_qr(right.t());
  const auto [u, s, v_h] = at::linalg_svd(at::mm(r_left, r_right.t()), false);
  OvDrift drift;
  const at::Tensor values = s.contiguous();
  drift.singular_values.assign(values.data_ptr<double>(), values.data_ptr<double>() + values.numel());
  drift.norm = at::linalg_vector_norm(at::mm(v, o)).item<double>();
  drift.input = at::mm(q_left, u.narrow(1, 0, 1)).squeeze(1);
  drift.output = at::mm(q_right, v_h.narrow(0, 0, 1).t()).squeeze(1);
  return drift;
}

double alignment(const at::Tensor& a, const at::Tensor& b) {
  const double length = at::linalg_vector_norm(a).item<double>() * at::linalg_vector_norm(b).item<double>();
  return length > 0 ? std::fabs(at::dot(a, b).item<double>()) / length : 0;
}

}  // namespace circuit
