// Of libtorch 1.13; others sum in float32 (bf16_products_right.cc).
#include "model/bf16_products.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm_cpu_dispatch.h>
#include <ATen/ops/addmv_cpu_dispatch.h>
#include <ATen/ops/baddbmm_cpu_dispatch.h>
#include <ATen/ops/bmm_cpu_dispatch.h>
#include <ATen/ops/dot_cpu_dispatch.h>
#include <ATen/ops/mm_cpu_dispatch.h>
#include <ATen/ops/ones.h>
#include <c10/util/Exception.h>
#include <torch/library.h>

#include <mutex>

#include "core/log.h"

namespace circuit {
namespace {

using at::Scalar;
using at::Tensor;

bool is_half(const Tensor& t) { return t.scalar_type() == at::kBFloat16; }
Tensor widened(const Tensor& t) { return is_half(t) ? t.to(at::kFloat) : t; }
Tensor narrowed(const Tensor& t) { return t.to(at::kBFloat16); }

// oneDNN, where it is used at all, gets products of more multiplications than 4,096; of what is smaller than this
// nothing is said, and little is lost by widening it.
constexpr int64_t kSurelyLarge = int64_t{1} << 15;
bool large_are_right = false;

// a [.., n, k] times b [.., k, m], or a vector [k].
bool is_wrong(const Tensor& a, const Tensor& b) {
  if (!is_half(a)) return false;
  const int64_t columns = b.dim() > 1 ? b.size(-1) : 1;
  return !large_are_right || a.numel() * columns < kSurelyLarge;
}

// Every product as libtorch has it, and of BF16, where that is wrong, as float32's, rounded once.
Tensor product_mm(const Tensor& a, const Tensor& b) {
  return is_wrong(a, b) ? narrowed(at::cpu::mm(widened(a), widened(b))) : at::cpu::mm(a, b);
}
Tensor& product_mm_out(const Tensor& a, const Tensor& b, Tensor& out) {
  if (!is_wrong(a, b)) return at::cpu::mm_out(out, a, b);
  const Tensor product = product_mm(a, b);
  out.resize_(product.sizes());
  return out.copy_(product);
}
Tensor product_bmm(const Tensor& a, const Tensor& b) {
  return is_wrong(a, b) ? narrowed(at::cpu::bmm(widened(a), widened(b))) : at::cpu::bmm(a, b);
}
Tensor& product_bmm_out(const Tensor& a, const Tensor& b, Tensor& out) {
  if (!is_wrong(a, b)) return at::cpu::bmm_out(out, a, b);
  const Tensor product = product_bmm(a, b);
  out.resize_(product.sizes());
  return out.copy_(product);
}
Tensor product_dot(const Tensor& a, const Tensor& b) {
  return is_wrong(a, b) ? narrowed(at::cpu::dot(widened(a), widened(b))) : at::cpu::dot(a, b);
}

// β c + α a b: a plain one, one into its first argument, one into another tensor.
#define CIRCUIT_ADDED_PRODUCT(name)                                                                                   \
  Tensor product_##name(const Tensor& c, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) { \
    if (!is_wrong(a, b)) return at::cpu::name(c, a, b, beta, alpha);                                                  \
    return narrowed(at::cpu::name(widened(c), widened(a), widened(b), beta, alpha));                                  \
  }                                                                                                                   \
  Tensor& product_##name##_(Tensor& c, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {   \
    if (!is_wrong(a, b)) return at::cpu::name##_(c, a, b, beta, alpha);                                               \
    return c.copy_(product_##name(c, a, b, beta, alpha));                                                             \
  }                                                                                                                   \
  Tensor& product_##name##_out(const Tensor& c, const Tensor& a, const Tensor& b, const Scalar& beta,                 \
                               const Scalar& alpha, Tensor& out) {                                                    \
    if (!is_wrong(a, b)) return at::cpu::name##_outf(c, a, b, beta, alpha, out);                                      \
    const Tensor sum = product_##name(c, a, b, beta, alpha);                                                          \
    out.resize_(sum.sizes());                                                                                         \
    return out.copy_(sum);                                                                                            \
  }
CIRCUIT_ADDED_PRODUCT(addmm)
CIRCUIT_ADDED_PRODUCT(addmv)
CIRCUIT_ADDED_PRODUCT(baddbmm)
#undef CIRCUIT_ADDED_PRODUCT

// 1 + 1 + … stays at 256 in BF16.
bool sums_in_bf16(int64_t terms) {
  const Tensor a = at::ones({2, terms}, at::kBFloat16);
  const Tensor b = at::ones({terms, 2}, at::kBFloat16);
  return at::cpu::mm(a, b).max().item<float>() != static_cast<float>(terms);
}

class Silence : public c10::WarningHandler {
 public:
  void process(const c10::SourceLocation&, const std::string&, bool) override {}
};

void mend() {
  constexpr int64_t kSmall = 1024;
  large_are_right = !sums_in_bf16(kSurelyLarge / 4);
  if (large_are_right && !sums_in_bf16(kSmall)) return;
  // libtorch warns that its kernels are replaced, which is the purpose.
  Silence silence;
  const c10::Warning::WarningHandlerGuard guard(&silence);
  // Stays for as long as the process: tensors may be multiplied to its end.
  static torch::Library library(torch::Library::IMPL, "aten", c10::DispatchKey::CPU, __FILE__, __LINE__);
  library.impl("mm", TORCH_FN(product_mm));
  library.impl("mm.out", TORCH_FN(product_mm_out));
  library.impl("bmm", TORCH_FN(product_bmm));
  library.impl("bmm.out", TORCH_FN(product_bmm_out));
  library.impl("dot", TORCH_FN(product_dot));
  library.impl("addmm", TORCH_FN(product_addmm));
  library.impl("addmm_", TORCH_FN(product_addmm_));
  library.impl("addmm.out", TORCH_FN(product_addmm_out));
  library.impl("addmv", TORCH_FN(product_addmv));
  library.impl("addmv_", TORCH_FN(product_addmv_));
  library.impl("addmv.out", TORCH_FN(product_addmv_out));
  library.impl("baddbmm", TORCH_FN(product_baddbmm));
  library.impl("baddbmm_", TORCH_FN(product_baddbmm_));
  library.impl("baddbmm.out", TORCH_FN(product_baddbmm_out));
  if (large_are_right) return;
  log_info(
      "BF16: libtorch sums products in BF16 on this processor; they are worked in float32 instead, slower than f32.");
}

}  // namespace

void sum_bf16_products_in_float32() {
  static std::once_flag once;
  std::call_once(once, mend);
}

}  // namespace circuit
