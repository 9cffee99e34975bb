// With what a model is computed: threads, device, precision, memory.
#pragma once

#include <cstdint>
#include <string>

#include "model/model.h"

namespace circuit {

struct ComputeSpec {
  int threads = 0;  // 0: physical cores
  std::string device = "cpu";
  std::string dtype = "f32";  // or bf16
  std::string memory;         // limit of the plan, as "16GiB"; empty: what the machine has free
};

// Throws Error for a device that is not there.
LoadOptions load_options(const ComputeSpec& spec);

int64_t memory_limit(const ComputeSpec& spec);  // bytes
// Bytes that the process holds now beside so many of weights: the program, its libraries, what it has read. 0 where the
// system does not say.
int64_t resident_beside(int64_t weights);

// The same in float32, whatever it says, which is then answered by a warning: for work on the values of float32
// checkpoints.
ComputeSpec in_float32(ComputeSpec spec);

// Vector instructions that libtorch uses, "AVX2"; "unknown" where it does not say.
std::string vector_instructions();

// Sets libtorch's threads; says in one line when the BLAS in use is a slow one. Throws as load_options does.
void apply_compute(const ComputeSpec& spec);

}  // namespace circuit
