#include "evaluation/evaluation_settings.h"

#include <charconv>
#include <cmath>

namespace circuit {

void EvaluationSettings::declare(Settings* s) {
  s->section("evaluation");
  s->add("every", &every, "Steps between evaluations and checkpoints.").at_least(1).in("steps");
  s->add("keep", &keep, {{"best", Keep::kBest}, {"all", Keep::kAll}},
         "Checkpoints kept: best (and the last, to go on from) or all.")
      .free_on_resume();
  s->add("patience", &patience, "Evaluations without a better dev metric that end the run; 0: never.").at_least(0);
  s->add("stop_at", &stop_at,
         "Dev metric, a number, at which the run ends; general text is then read only there, at the evaluation before "
         "and at the first. Empty: none.")
      .since_version("0.3");
  s->add("batch", &batch, "Sequences in one forward of an evaluation.").range(1, 1e6).in("sequences");
  s->add("window", &window, "Tokens in a window of untouched text; 0: the model's positions.").at_least(0).in("tokens");
  s->add("files", &files, "Files scored before and after, as circuit score does; a list, or one text with commas.")
      .a_path();
  s->add("max_tokens", &max_tokens, "Tokens generated for a record of those files.").range(1, 1e6).in("tokens");
  s->add("circuit_records", &circuit_records,
         "Dev records on which each evaluation measures the circuit's faithfulness and completeness gap, with methods "
         "that find circuits; 0: not.")
      .at_least(0)
      .in("records");
  s->add("kl", &kl,
         "Also KL(base || tuned) and top-1 agreement, in nats per token: of untouched text (untouched/kl) and of text "
         "and records in evaluation.files (ability/NAME/kl).")
      .since_version("0.3");
  s->add("mask_words", &mask_words, "Words that evaluation.kl does not compare; a list, or one text with commas.")
      .since_version("0.3");
  s->add("mask_task", &mask_task,
         "Whether evaluation.kl leaves out the words that readouts of data.train answer, and readouts themselves.")
      .since_version("0.3");
  s->add("leave_out", &leave_out,
         "Groups of minimal pairs in evaluation.files that are not scored, such as BLiMP's paradigms.")
      .since_version("0.3");
}

std::optional<double> EvaluationSettings::stop_metric() const {
  if (stop_at.empty()) return {};
  double value = 0;
  const char* end = stop_at.data() + stop_at.size();
  const auto [read, error] = std::from_chars(stop_at.data(), end, value);
  if (error != std::errc() || read != end || !std::isfinite(value)) return {};
  return value;
}

}  // namespace circuit
