// Which of how many processes this one is, as launchers say it in the environment.
#pragma once

#include <functional>
#include <string>

namespace circuit {

struct Ranks {
  int rank = 0;  // 0 alone writes what all of them made
  int count = 1;
};

// RANK and WORLD_SIZE (torchrun), OMPI_COMM_WORLD_RANK and _SIZE (Open MPI), PMI_RANK and PMI_SIZE (MPICH), or
// SLURM_PROCID beside SLURM_STEP_NUM_TASKS or SLURM_NTASKS (srun): the first pair that is there; none: one process.
// `variable` gives a variable's value, or null. Throws Error naming the variable: a half of a pair, no number, a rank
// that is not below the count.
Ranks ranks_of(const std::function<const char*(const char*)>& variable);
Ranks ranks_of_environment();

// A variable's text as a whole number. Throws Error naming the variable, what was found and the bounds.
int environment_number(const char* name, const char* text, int least, int most);

}  // namespace circuit
