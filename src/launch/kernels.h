// Which kernels the program computes with. Both choices are read from the environment when the libraries load, so
// kernels.cc makes them before main and starts the program again, once, with
//   OPENBLAS_CORETYPE  by the processor's features: OpenBLAS 0.3.21 takes processors that came after it for ones
//                      without AVX (29 instead of 152 GFLOP/s)
//   OMP_WAIT_POLICY    passive: waiting threads sleep. Spinning ones take the cores from those that work (on a busy
//                      machine `discover` with two threads took 27.3 s instead of 9.1 s)
// A variable that the user has set stays as it is.
#pragma once

#include <string>

namespace circuit {

// Lines for --version: libtorch's version and vector instructions, the BLAS and its core, how OpenMP's threads wait,
// and whether the program or the environment chose.
std::string kernels_text();

}  // namespace circuit
