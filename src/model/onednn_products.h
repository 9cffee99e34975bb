// Float32 products by oneDNN, where the BLAS inside libtorch leaves half of the processor idle.
#pragma once

namespace circuit {

// From here on this thread's larger float32 products on the CPU (mm, addmm, bmm) are oneDNN's, where libtorch
// multiplies with MKL and the processor is AMD's with AVX-512: MKL uses AVX2 there (104 instead of 225 GFLOP/s on a
// core). Other threads, as a notebook's own, keep the kernels that they had. Sums are float32's in another order.
void use_onednn_products();

// Whether this thread's are.
bool are_products_onednn();

// While it lives, this thread's are if `chosen` says so: what a thread chose goes for the workers of its parallel
// loops, so that how many there are changes no bit.
class OnednnProductsAs {
 public:
  explicit OnednnProductsAs(bool chosen);
  ~OnednnProductsAs();
  OnednnProductsAs(const OnednnProductsAs&) = delete;
  OnednnProductsAs& operator=(const OnednnProductsAs&) = delete;

 private:
  const bool before_;
};

// Puts the kernels in place, which change nothing until a thread asks. Before other threads multiply: libtorch's table
// is read without a lock.
void prepare_onednn_products();

}  // namespace circuit
