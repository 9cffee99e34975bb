// What every subcommand shares: the common flags.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "model/compute.h"

namespace CLI {
class App;
}

namespace circuit {

struct CommonOptions : ComputeSpec {
  uint64_t seed = 0;
  bool quiet = false;
  bool json = false;
};

// A subcommand: adds itself to the program and returns what to run when it was chosen.
using Action = std::function<int()>;
using AddCommand = void (*)(CLI::App& program, Action* chosen);

void add_inspect(CLI::App& program, Action* chosen);
void add_tokenize(CLI::App& program, Action* chosen);
void add_import(CLI::App& program, Action* chosen);
void add_pairs(CLI::App& program, Action* chosen);
void add_generate(CLI::App& program, Action* chosen);
void add_score(CLI::App& program, Action* chosen);
void add_discover(CLI::App& program, Action* chosen);
void add_evaluate(CLI::App& program, Action* chosen);
void add_tune(CLI::App& program, Action* chosen);
void add_sweep(CLI::App& program, Action* chosen);
void add_export(CLI::App& program, Action* chosen);
void add_apply(CLI::App& program, Action* chosen);
void add_revert(CLI::App& program, Action* chosen);
void add_diff(CLI::App& program, Action* chosen);
void add_analyse(CLI::App& program, Action* chosen);
void add_query(CLI::App& program, Action* chosen);
void add_watch(CLI::App& program, Action* chosen);
void add_report(CLI::App& program, Action* chosen);

// Adds --threads, --seed, --device, --dtype, --memory, --quiet, --json to a subcommand, and sets what runs when it is
// chosen.
void add_common(CLI::App& command, CommonOptions* options, Action* chosen, const Action& run);
// Sets threads and logging, and says in one line when the BLAS in use is a slow one. Throws Error for a
// device that is not there.
void apply_common(const CommonOptions& options);

}  // namespace circuit
