#include <circuit/version.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <memory>

#include "cli/command.h"
#include "core/names.h"
#include "core/table.h"
#include "io/files.h"
#include "io/lock.h"
#include "io/outputs.h"
#include "run/execute.h"
#include "run/run_inputs.h"
#include "tuning/adapter_files.h"
#include "tuning/delta_file.h"
#include "tuning/run_checkpoint.h"

namespace circuit {
namespace {

struct Options {
  CommonOptions common;
  std::string run, out;
  std::string step;
  bool adapter = false;
  bool delta = false;
};

// The step asked for, else the best on dev, else the last.
int64_t choose_step(const Options& o) {
  const std::vector<int64_t> steps = checkpoint_steps(o.run);
  if (steps.empty()) fail(o.run, "there is no checkpoint in it yet.");
  if (o.step.empty()) {
    const Json state = read_json(checkpoint_folder(o.run, steps.back()) + "/state.json");
    return optional_int(state, "best_step", steps.back(), o.run);
  }
  // Decimal, zeros in front allowed: that is how a checkpoint's folder is called.
  int64_t step = -1;
  const char* end = o.step.data() + o.step.size();
  const auto parsed = std::from_chars(o.step.data(), end, step);
  if (parsed.ec != std::errc() || parsed.ptr != end)
    throw UsageError(fmt::format("[--step] '{}' is not a number.", o.step));
  if (std::binary_search(steps.begin(), steps.end(), step)) return step;
  fail(o.run, "there is no checkpoint of step {}. There are: {}.", step,
       joined(steps, [](int64_t s) { return std::to_string(s); }));
}

int export_adapter(const Options& o, const RunConfig& config, const Trained& trained, int64_t step) {
  const int64_t adapters = trained.write_adapters(config.model.path, o.out);
  if (o.common.json) {
    fmt::print("{}\n", Json({{"out", o.out}, {"step", step}, {"adapters", adapters}}).dump());
  } else {
    fmt::print("step {} written to {}: {} adapters as PEFT reads them\n", step, o.out, adapters);
  }
  return 0;
}

// Of the checkpoint's values alone: no model is loaded.
int export_delta(const Options& o, const RunConfig& config) {
  if (!config.method().trains_slices()) {
    fail("--delta", "{} is a run of method {}, whose change is no slice of the model. Use --adapter.", o.run,
         config.tuning.method);
  }
  const int64_t step = choose_step(o);
  const Checkpoint base = Checkpoint::open(config.model.path);
  check_base(o.run, base);
  const Delta delta = make_delta(base, checkpoint_folder(o.run, step) + "/slices.safetensors",
                                 {{"step", std::to_string(step)},
                                  {"method", config.tuning.method},
                                  {"model", config.model.path},
                                  {"config", read_file(o.run + "/config.toml")},
                                  {"program_version", CIRCUIT_VERSION}});
  write_delta(delta, o.out);
  if (o.common.json) {
    fmt::print("{}\n", Json({{"out", o.out},
                             {"step", step},
                             {"slices", delta.slices.size()},
                             {"parameters", delta.parameters()},
                             {"changed_tensors", delta.base_sha256.size()}})
                           .dump());
  } else {
    fmt::print("step {} written to {}: {} slices of {} tensors, {} parameters\n", step, o.out, delta.slices.size(),
               delta.base_sha256.size(), with_commas(delta.parameters()));
  }
  return 0;
}

int run(const Options& o) {
  apply_common(o.common);
  check_new_folder("-o", o.out);
  const RunConfig config = read_run_config(o.run);
  if (o.adapter && config.method().trains_slices()) {
    fail("--adapter", "{} is a run of method {}, not lora.", o.run, config.tuning.method);
  }
  const FolderLock lock(o.run, FolderLock::Use::kBesideReaders);
  if (o.delta) return export_delta(o, config);
  // The checkpoint's values are float32 whatever the run computed in.
  TuneModel model(config, in_float32(o.common));
  check_base(o.run, model.open.checkpoint);
  const int64_t step = choose_step(o);
  const std::unique_ptr<Trained> trained = stored_parameters(config, o.run, model);
  load_checkpoint(o.run, step, model.open.checkpoint, trained->store());
  if (o.adapter) return export_adapter(o, config, *trained, step);
  const auto changed = trained->store().changed_tensors(model.open.checkpoint);
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
  command->footer(
      "Examples:\n  circuit export runs/agreement -o tuned\n  circuit export runs/agreement --delta -o delta\n"
      "  circuit export runs/lora --adapter -o adapter");
  command->add_option("RUN", o->run, "run directory")->required();
  command->add_option("-o,--out", o->out, "folder to write; must not exist")->required();
  command->add_option("--step", o->step, "step to export (default: the best on dev, else the last)");
  command
      ->add_flag("--delta", o->delta, "only the slices that changed, and the base's values of them: see circuit apply")
      ->excludes(
          command->add_flag("--adapter", o->adapter, "of a run of method lora: the adapters, as PEFT reads them"));
  add_common(*command, &o->common);
  command->callback([o, chosen] { *chosen = [o] { return run(*o); }; });
}

}  // namespace circuit
