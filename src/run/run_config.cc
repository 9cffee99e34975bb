#include "run/run_config.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/error.h"
#include "io/files.h"
#include "store/logger.h"

namespace circuit {

void RunSettings::declare(Settings* s) {
  s->section("run");
  s->add("path", &path, "Folder of the run; must not exist yet.").a_path();
  s->add("keep_scores", &keep_scores,
         {{"all", ScoreRetention::Keep::kAll},
          {"every", ScoreRetention::Keep::kEvery},
          {"last", ScoreRetention::Keep::kLast}},
         "Discoveries whose scores of all edges stay in run.db: all (1.6 GB after 9,000 of GPT-2 small, circuits and "
         "norms included), every (those of run.keep_every and the last before an evaluation: 0.5 GB) or last (0.4 GB). "
         "Circuits and their scores stay in any case.");
  s->add("keep_every", &keep_every, "N: run.keep_scores every keeps each N-th discovery.").at_least(1);
  s->add("loggers", &loggers, "What rows go to beside run.db: RUN/tensorboard, RUN/log.jsonl.")
      .one_of(choices_of(circuit::loggers()));
}

Settings RunConfig::settings() {
  Settings s;
  model.declare(&s);
  data.declare(&s);
  discovery.declare(&s);
  s.section("selection");
  selection.declare(&s);
  policy.declare(&s);
  target.declare(&s);
  tuning.declare(&s);
  optimizer.declare(&s);
  evaluation.declare(&s);
  run.declare(&s);
  return s;
}

bool is_free_on_resume(const std::string& key) {
  RunConfig config;
  const Settings settings = config.settings();
  const Setting* setting = settings.find(key);
  return setting != nullptr && !setting->changes_result;
}

std::string ability_name(const std::string& file) { return std::filesystem::path(file).stem().string(); }

void check_config(const RunConfig& c, const std::string& place) {
  if (c.model.path.empty()) fail(place, "model.path is missing.");
  if (c.data.train.empty()) fail(place, "data.train is missing.");
  if (c.run.path.empty()) fail(place, "run.path is missing.");
  std::set<std::string> names;
  for (const std::string& file : c.evaluation.files) {
    const std::string name = ability_name(file);
    if (!names.insert(name).second) fail(place, "evaluation.files: two are called '{}'. Rename one.", name);
    if (!file_exists(file)) fail(file, "evaluation.files: there is no such file.");
  }
  if (c.evaluation.kl && c.data.untouched.empty() && c.evaluation.files.empty()) {
    fail(place, "evaluation.kl needs a text to compare on: data.untouched, or text or records in evaluation.files.");
  }
  if (c.tuning.anchor_replay > 0 && c.data.replay.empty()) {
    fail(place, "tuning.anchor_replay needs data.replay, the text that it holds to the base.");
  }
  if (find_slice_choice(c.policy.slices).reads_general && c.data.replay.empty()) {
    fail(place, "selection.slices = {} needs data.replay, the general text that it reads.", c.policy.slices);
  }
  if (c.tuning.null_space > 0 && c.data.replay.empty()) {
    fail(place, "tuning.null_space needs data.replay, the general text whose inputs are spared.");
  }
  if (c.optimizer.rule.curvature > 0 && c.data.replay.empty()) {
    fail(place, "optimizer.curvature needs data.replay, the general text that it is of.");
  }
  if (c.optimizer.rule.curvature > 0 && c.optimizer.rule.kind != "adamw") {
    fail(place, "optimizer.curvature is of optimizer.kind = adamw, found {}.", c.optimizer.rule.kind);
  }
  if (c.policy.extra_random == 0 && !c.policy.extra_outside.empty()) {
    fail(place, "selection.extra_outside is of selection.extra_random, which is 0.");
  }
  if (!c.evaluation.kl && (c.evaluation.mask_task || !c.evaluation.mask_words.empty())) {
    fail(place, "evaluation.mask_words and evaluation.mask_task are of evaluation.kl, which is off.");
  }
  if (c.evaluation.patience > 0 && c.data.dev.empty()) {
    fail(place, "evaluation.patience needs data.dev, whose metric it watches.");
  }
  if (!c.evaluation.stop_at.empty()) {
    if (!c.evaluation.stop_metric())
      fail(place, "evaluation.stop_at: found '{}', expected a number, as 1.0, or nothing.", c.evaluation.stop_at);
    if (c.data.dev.empty()) fail(place, "evaluation.stop_at needs data.dev, whose metric it watches.");
  }
  const bool constant = c.policy.size == SizeSchedule::kConstant;
  if (!constant && c.policy.n_final < 1) {
    fail(place, "selection.schedule {} needs selection.n_final, N at the last step.",
         c.policy.size == SizeSchedule::kLinear ? "linear" : "geometric");
  }
  const int64_t most = std::max(c.selection.n, constant ? 0 : c.policy.n_final);
  if (c.policy.leave_rank > 0 && c.policy.leave_rank < most) {
    fail(place,
         "selection.leave_rank: found {}, expected at least the {} edges of the circuit, or 0: of a lower rank edges "
         "would leave that have just been selected.",
         c.policy.leave_rank, most);
  }
  if (c.tuning.readout_only && c.tuning.readout_weight == 0) {
    fail(place, "tuning.readout_only with tuning.readout_weight = 0 leaves nothing to learn from.");
  }
  if (std::set<std::string>(c.run.loggers.begin(), c.run.loggers.end()).size() < c.run.loggers.size()) {
    fail(place, "run.loggers: one stands there twice.");
  }
  c.method().check(c.selection, place);
}

}  // namespace circuit
