// Of libtorch 2; 1.13 has OpenBLAS (onednn_products_none.cc).
#include "model/onednn_products.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/addmm_cpu_dispatch.h>
#include <ATen/ops/bmm_cpu_dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm_cpu_dispatch.h>
#include <c10/util/Exception.h>
#include <torch/library.h>

namespace circuit {
namespace {

using at::Scalar;
using at::Tensor;

// Below so many multiplications the call costs more than oneDNN saves.
constexpr int64_t kWorthIt = int64_t{1} << 20;

// Rows of a product whose other side may be copied once for them.
constexpr int64_t kRowsWorthACopy = 8;

thread_local bool chosen = false;

// Y = X Wᵀ: libtorch's own operator over oneDNN, called by its schema, whose C++ types differ between versions.
const c10::OperatorHandle* linear_operator() {
  static const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  return found.has_value() ? &*found : nullptr;
}

// Of anything but whole rows or whole columns, oneDNN's inner product takes its reference loop, which is a hundred
// times slower.
bool is_whole_block(const Tensor& w) { return w.is_contiguous() || w.t().is_contiguous(); }

Tensor linear(const Tensor& x, const Tensor& weight) {
  const Tensor w = is_whole_block(weight) ? weight : weight.contiguous();
  static const c10::impl::GenericList no_scalars(c10::OptionalType::create(c10::NumberType::get()));
  static const c10::IValue none_fused("none");
  torch::jit::Stack stack{x, w, c10::IValue(), none_fused, no_scalars, c10::IValue()};
  linear_operator()->callBoxed(&stack);
  return std::move(stack.front()).toTensor();
}

bool takes(const Tensor& a, const Tensor& b) {
  return chosen && a.scalar_type() == at::kFloat && b.scalar_type() == at::kFloat && a.dim() == b.dim() &&
         a.size(-2) * a.size(-1) * b.size(-1) >= kWorthIt && a.size(-1) == b.size(-2) && !a.is_conj() && !b.is_conj() &&
         !a.is_neg() && !b.is_neg() && a.size(-2) >= kRowsWorthACopy;
}

Tensor product_mm(const Tensor& a, const Tensor& b) { return takes(a, b) ? linear(a, b.t()) : at::cpu::mm(a, b); }
Tensor& product_mm_out(const Tensor& a, const Tensor& b, Tensor& out) {
  if (!takes(a, b)) return at::cpu::mm_out(out, a, b);
  out.resize_({a.size(0), b.size(1)});
  return out.copy_(linear(a, b.t()));
}

Tensor& into(const Tensor& a, const Tensor& b, Tensor& out) {
  for (int64_t i = 0; i < a.size(0); ++i) out.select(0, i).copy_(linear(a.select(0, i), b.select(0, i).t()));
  return out;
}
bool takes_each(const Tensor& a, const Tensor& b) { return takes(a, b) && a.size(0) == b.size(0); }
Tensor product_bmm(const Tensor& a, const Tensor& b) {
  if (!takes_each(a, b)) return at::cpu::bmm(a, b);
  Tensor out = at::empty({a.size(0), a.size(1), b.size(2)}, a.options());
  return into(a, b, out);
}
Tensor& product_bmm_out(const Tensor& a, const Tensor& b, Tensor& out) {
  if (!takes_each(a, b)) return at::cpu::bmm_out(out, a, b);
  out.resize_({a.size(0), a.size(1), b.size(2)});
  return into(a, b, out);
}

bool is_whole(const Tensor& c, const Tensor& a, const Tensor& b) {
  return c.scalar_type() == at::kFloat && c.dim() == 2 && c.size(0) == a.size(0) && c.size(1) == b.size(1);
}
// β c + α a b. β = 0 takes no number from c, as BLAS does not.
Tensor& add(Tensor& c, const Tensor& product, const Scalar& beta, const Scalar& alpha) {
  const double kept = beta.toDouble();
  if (kept == 0) return c.copy_(product).mul_(alpha);
  if (kept != 1) c.mul_(beta);
  return c.add_(product, alpha);
}
Tensor product_addmm(const Tensor& c, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  if (!takes(a, b) || !is_whole(c, a, b)) return at::cpu::addmm(c, a, b, beta, alpha);
  Tensor product = linear(a, b.t());
  if (alpha.toDouble() != 1) product.mul_(alpha);
  return beta.toDouble() == 0 ? product : product.add_(c, beta);
}
Tensor& product_addmm_(Tensor& c, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  if (!takes(a, b) || !is_whole(c, a, b)) return at::cpu::addmm_(c, a, b, beta, alpha);
  return add(c, linear(a, b.t()), beta, alpha);
}
Tensor& product_addmm_out(const Tensor& c, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha,
                          Tensor& out) {
  if (!takes(a, b) || !is_whole(c, a, b)) return at::cpu::addmm_outf(c, a, b, beta, alpha, out);
  if (!out.is_same(c)) {
    out.resize_(c.sizes());
    if (beta.toDouble() != 0) out.copy_(c);
  }
  return add(out, linear(a, b.t()), beta, alpha);
}

class Silence : public c10::WarningHandler {
 public:
  void process(const c10::Warning&) override {}
};

bool is_worth_it() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return at::hasMKL() && __builtin_cpu_is("amd") && __builtin_cpu_supports("avx512f") && linear_operator() != nullptr;
#else
  return false;
#endif
}

// Kernels that ask the thread which of the two to call.
bool replace_kernels() {
  if (!is_worth_it()) return false;
  // libtorch warns that its kernels are replaced, which is the purpose.
  Silence silence;
  const c10::WarningUtils::WarningHandlerGuard guard(&silence);
  // Stays for as long as the process: tensors may be multiplied to its end.
  static torch::Library library(torch::Library::IMPL, "aten", c10::DispatchKey::CPU, __FILE__, __LINE__);
  library.impl("mm", TORCH_FN(product_mm));
  library.impl("mm.out", TORCH_FN(product_mm_out));
  library.impl("bmm", TORCH_FN(product_bmm));
  library.impl("bmm.out", TORCH_FN(product_bmm_out));
  library.impl("addmm", TORCH_FN(product_addmm));
  library.impl("addmm_", TORCH_FN(product_addmm_));
  library.impl("addmm.out", TORCH_FN(product_addmm_out));
  return true;
}

bool is_replaced() {
  static const bool replaced = replace_kernels();
  return replaced;
}

}  // namespace

void prepare_onednn_products() { is_replaced(); }
void use_onednn_products() { chosen = is_replaced(); }

OnednnProductsAs::OnednnProductsAs(bool now) : before_(chosen) { chosen = now; }
OnednnProductsAs::~OnednnProductsAs() { chosen = before_; }

bool are_products_onednn() { return chosen; }

}  // namespace circuit
