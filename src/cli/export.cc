#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/run.h"
#include "core/error.h"

namespace circuit {
namespace {

struct Options {
  CommonOptions common;
  std::string run, out;
  int64_t step = -1;
};

// The step asked for, else the best on dev, else the last.
int64_t choose_step(const Options& o) {
  const std::vector<int64_t> steps = checkpoint_steps(o.run);
  if (steps.empty()) fail(o.run, "there is no checkpoint in it yet.");
  if (o.step < 0) {
    const Json state = read_json(checkpoint_folder(o.run, steps.back()) + "/state.json");
    return optional_int(state, "best_step", steps.back(), o.run);
  }
  if (std::binary_search(steps.begin(), steps.end(), o.step)) return o.step;
  std::string known;
  for (const int64_t s : steps) known += (known.empty() ? "" : ", ") + std::to_string(s);
  fail(o.run, "there is no checkpoint of step {}. There are: {}.", o.step, known);
}

int run(const Options& o) {
  apply_common(o.common);
  TuneConfig config;
  read_config(o.run + "/config.toml", config.fields());
  CommonOptions exact = o.common;
  exact.dtype = "f32";  // the checkpoint's values are float32 whatever the run computed in
  TuneModel model(config, exact);
  const int64_t step = choose_step(o);
  load_checkpoint(o.run, step, model.open.checkpoint, model.store);
  const auto changed = model.store.changed_tensors(model.open.checkpoint);
  write_checkpoint(model.open.checkpoint, changed, o.out);
  if (o.common.json) {
    fmt::print("{}\n", Json({{"out", o.out}, {"step", step}, {"changed_tensors", changed.size()}}).dump());
  } else {
    fmt::print("step {} written to {}: {} tensors changed, the others byte for byte the base model's\n", step, o.out,
               changed.size());
  }
  return 0;
}

}  // namespace

void add_export(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("export", "a run's model as a Hugging Face directory");
  command->footer("Example:\n  circuit export runs/agreement -o tuned");
  command->add_option("RUN", o->run, "run directory")->required();
  command->add_option("-o,--out", o->out, "folder to write; must not exist")->required();
  command->add_option("--step", o->step, "step to export (default: the best on dev, else the last)");
  add_common(*command, &o->common);
  command->callback([o, chosen] { *chosen = [o] { return run(*o); }; });
}

}  // namespace circuit
