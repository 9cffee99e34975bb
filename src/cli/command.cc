#include "cli/command.h"

#include <CLI/CLI.hpp>

#include "cli/validators.h"
#include "core/log.h"

namespace circuit {
void add_common(CLI::App& command, CommonOptions* o, Action* chosen, const Action& run) {
  command.add_option("--threads", o->threads, "threads (default: physical cores)")->check(between(1, 1024));
  command.add_option("--seed", o->seed, "seed of everything random");
  command.add_option("--device", o->device, "cpu, cuda or cuda:i");
  command.add_option("--dtype", o->dtype, "precision of the computation")->check(CLI::IsMember({"f32", "bf16"}));
  command.add_option("--memory", o->memory, "memory to stay inside, e.g. 16GiB (default: what is free)");
  command.add_flag("--quiet", o->quiet, "no progress and no information on stderr");
  command.add_flag("--json", o->json, "results as JSON on stdout");
  command.callback([chosen, run] { *chosen = run; });
}

void apply_common(const CommonOptions& options) {
  set_quiet(options.quiet);
  apply_compute(options);
}

}  // namespace circuit
