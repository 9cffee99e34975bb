#include "run/export.h"

#include <circuit/version.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "core/error.h"
#include "core/names.h"
#include "core/setting_name.h"
#include "io/files.h"
#include "run/execute.h"
#include "run/run_inputs.h"
#include "store/run_lock.h"
#include "tuning/delta_file.h"
#include "tuning/run_checkpoint.h"

namespace circuit {
namespace {

// The step asked for, else the best on dev, else the last.
int64_t choose_step(const ExportRequest& r) {
  const std::vector<int64_t> steps = checkpoint_steps(r.run);
  if (steps.empty()) fail(r.run, "there is no checkpoint in it yet.");
  if (!r.step) {
    const Json state = read_json(checkpoint_folder(r.run, steps.back()) + "/state.json");
    return optional_int(state, "best_step", steps.back(), r.run);
  }
  if (std::binary_search(steps.begin(), steps.end(), *r.step)) return *r.step;
  fail(r.run, "there is no checkpoint of step {}. There are: {}.", *r.step,
       joined(steps, [](int64_t s) { return std::to_string(s); }));
}

// Of the checkpoint's values alone: no model is loaded.
Exported export_delta(const ExportRequest& r, const RunConfig& config) {
  if (!config.method().trains_slices()) {
    fail(setting("delta"), "{} is a run of method {}, whose change is no slice of the model. Use {}.", r.run,
         config.tuning.method, setting("adapter"));
  }
  const int64_t step = choose_step(r);
  const Checkpoint base = Checkpoint::open(config.model.path);
  check_base(r.run, base);
  const Delta delta = make_delta(base, checkpoint_folder(r.run, step) + "/slices.safetensors",
                                 {{"step", std::to_string(step)},
                                  {"method", config.tuning.method},
                                  {"model", config.model.path},
                                  {"config", read_file(r.run + "/config.toml")},
                                  {"program_version", CIRCUIT_VERSION}});
  write_delta(delta, r.out);
  return {step, static_cast<int64_t>(delta.base_sha256.size()), static_cast<int64_t>(delta.slices.size()),
          delta.parameters(), 0};
}

}  // namespace

Exported export_run(const ExportRequest& r) {
  using What = ExportRequest::What;
  const RunConfig config = read_run_config(r.run);
  if (r.what == What::kAdapters && config.method().trains_slices()) {
    fail(setting("adapter"), "{} is a run of method {}, not lora.", r.run, config.tuning.method);
  }
  const RunLock lock(r.run, RunLock::Use::kReadCheckpoints);
  if (r.what == What::kDelta) return export_delta(r, config);
  // The checkpoint's values are float32 whatever the run computed in.
  TuneModel model(config, in_float32(r.compute));
  check_base(r.run, model.open.checkpoint);
  Exported done;
  done.step = choose_step(r);
  const std::unique_ptr<Trained> trained = stored_parameters(config, r.run, model);
  load_values(r.run, done.step, model.open.checkpoint, trained->store());
  if (r.what == What::kAdapters) {
    done.adapters = trained->write_adapters(config.model.path, r.out);
    return done;
  }
  const auto changed = trained->store().changed_tensors(model.open.checkpoint);
  write_checkpoint(model.open.checkpoint, changed, r.out);
  done.changed_tensors = static_cast<int64_t>(changed.size());
  return done;
}

}  // namespace circuit
