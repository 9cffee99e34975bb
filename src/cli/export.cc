#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <memory>

#include "cli/command.h"
#include "cli/outputs.h"
#include "cli/run.h"
#include "cli/run_inputs.h"
#include "core/names.h"
#include "io/files.h"
#include "store/run_lock.h"
#include "tuning/adapter_files.h"
#include "tuning/delta_file.h"

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

int export_adapter(const Options& o, const TuneConfig& config, const TuneModel& model, const ParameterStore& store,
                   int64_t step) {
  const auto* lora = dynamic_cast<const LoraStore*>(&store);
  if (lora == nullptr) fail("--adapter", "{} is a run of method {}, not lora.", o.run, config.tuning_method);
  write_adapter(*lora, model.open.model, config.model_path, o.out);
  if (o.common.json) {
    fmt::print("{}\n", Json({{"out", o.out}, {"step", step}, {"adapters", lora->adapters().size()}}).dump());
  } else {
    fmt::print("step {} written to {}: {} adapters as PEFT reads them\n", step, o.out, lora->adapters().size());
  }
  return 0;
}

// Of the checkpoint's values alone: no model is loaded.
int export_delta(const Options& o, const TuneConfig& config) {
  if (config.tuning_method == "lora") {
    fail("--delta", "{} is a run of method lora, whose change is no slice of the model. Use --adapter.", o.run);
  }
  const int64_t step = choose_step(o);
  const Checkpoint base = Checkpoint::open(config.model_path);
  check_base(o.run, base);
  const Delta delta = make_delta(base, checkpoint_folder(o.run, step) + "/slices.safetensors",
                                 {{"step", std::to_string(step)},
                                  {"method", config.tuning_method},
                                  {"model", config.model_path},
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
  const TuneConfig config = read_run_config(o.run);
  const RunLock lock(o.run, RunLock::Use::kReadCheckpoints);
  if (o.delta) return export_delta(o, config);
  // The checkpoint's values are float32 whatever the run computed in.
  TuneModel model(config, in_float32(o.common));
  check_base(o.run, model.open.checkpoint);
  const int64_t step = choose_step(o);
  const std::unique_ptr<ParameterStore> store = stored_parameters(config, o.run, model);
  load_checkpoint(o.run, step, model.open.checkpoint, *store);
  if (o.adapter) return export_adapter(o, config, model, *store, step);
  const auto changed = store->changed_tensors(model.open.checkpoint);
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
