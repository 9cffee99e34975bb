#include "evaluation/evaluation_settings.h"

namespace circuit {

void EvaluationSettings::declare(Settings* s) {
  s->section("evaluation");
  s->add("every", &every, "Steps between evaluations and checkpoints.").at_least(1).in("steps");
  s->add("keep", &keep, {{"best", Keep::kBest}, {"all", Keep::kAll}},
         "Checkpoints kept: best (and the last, to go on from) or all.")
      .free_on_resume();
  s->add("patience", &patience, "Evaluations without a better dev metric that end the run; 0: never.").at_least(0);
  s->add("batch", &batch, "Sequences in one forward of an evaluation.").range(1, 1e6).in("sequences");
  s->add("window", &window, "Tokens in a window of untouched text; 0: the model's positions.").at_least(0).in("tokens");
  s->add("files", &files, "Files scored before and after, as circuit score does; a list, or one text with commas.");
  s->add("max_tokens", &max_tokens, "Tokens generated for a record of those files.").range(1, 1e6).in("tokens");
  s->add("circuit_records", &circuit_records,
         "Dev records on which each evaluation measures the circuit's faithfulness and completeness gap, with methods "
         "that find circuits; 0: not.")
      .at_least(0)
      .in("records");
}

}  // namespace circuit
