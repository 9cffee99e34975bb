// The base that a run's model is held against (evaluation.kl) or held to (tuning.anchor) as it is tuned.
#pragma once

#include <optional>

#include "evaluation/divergence.h"
#include "run/run_config.h"
#include "task/open_model.h"

namespace circuit {

class Reference {
 public:
  // open: of the base; train: the task's records, whose words evaluation.mask_task masks. Throws Error where
  // evaluation.mask_task finds none.
  Reference(const RunConfig& config, const OpenModel& open, const Dataset& train);

  const Model& base() const { return base_; }
  const MaskSpec& mask() const { return mask_; }
  // Of the untouched text, which the base reads once. tuned: null: the base itself.
  Divergence of_text(const Model* tuned, const EncodedText& text, const LazyTokenizer& tokenizer);

 private:
  const RunConfig& config_;
  Model base_;
  MaskSpec mask_;
  std::optional<BaseStreams> streams_;
};

}  // namespace circuit
