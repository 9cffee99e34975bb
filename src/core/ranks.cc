#include "core/ranks.h"

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "core/error.h"

namespace circuit {
namespace {

struct Launcher {
  const char* rank;
  const char* count;
};

// SLURM_NTASKS stands for launchers that only look like Slurm.
constexpr std::array<Launcher, 5> kLaunchers{{{"RANK", "WORLD_SIZE"},
                                              {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                              {"PMI_RANK", "PMI_SIZE"},
                                              {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"},
                                              {"SLURM_PROCID", "SLURM_NTASKS"}}};

}  // namespace

int environment_number(const char* name, const char* text, int least, int most) {
  int value = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, value);
  if (error != std::errc() || stop != end || value < least || value > most) {
    fail(name, "found '{}' in the environment, expected a whole number from {} to {}.", text, least, most);
  }
  return value;
}

Ranks ranks_of(const std::function<const char*(const char*)>& variable) {
  constexpr int kMost = 1 << 20;
  for (const Launcher& launcher : kLaunchers) {
    const char* rank = variable(launcher.rank);
    const char* count = variable(launcher.count);
    // A batch script that starts the program without srun has SLURM_NTASKS too, and SLURM_PROCID 0, but is no step.
    const bool in_script = variable("SLURM_JOB_ID") != nullptr && variable("SLURM_STEP_ID") == nullptr;
    if (std::strcmp(launcher.count, "SLURM_NTASKS") == 0 && in_script) continue;
    if (rank == nullptr && count == nullptr) continue;
    if (rank == nullptr || count == nullptr) {
      // Slurm sets either in shells that start nothing in parallel.
      if (std::strncmp(launcher.rank, "SLURM", 5) == 0) continue;
      fail(rank == nullptr ? launcher.rank : launcher.count,
           "is not in the environment, but {} is. Set both, or neither for one process.",
           rank == nullptr ? launcher.count : launcher.rank);
    }
    Ranks ranks;
    ranks.count = environment_number(launcher.count, count, 1, kMost);
    ranks.rank = environment_number(launcher.rank, rank, 0, ranks.count - 1);
    return ranks;
  }
  return {};
}

Ranks ranks_of_environment() {
  return ranks_of([](const char* name) -> const char* { return std::getenv(name); });
}

}  // namespace circuit
