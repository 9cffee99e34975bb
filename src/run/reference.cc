#include "run/reference.h"

#include "core/error.h"
#include "run/interrupt.h"
#include "task/word_mask.h"

namespace circuit {

Reference::Reference(const RunConfig& config, const OpenModel& open, const Dataset& train)
    // From the files anew: a model stays on the file's memory where it can, and one that is tuned writes to it.
    : config_(config),
      base_(Model::load(Checkpoint::open(config.model.path), {open.model.dtype(), open.model.device()})) {
  const EvaluationSettings& e = config.evaluation;
  mask_.words.insert(e.mask_words.begin(), e.mask_words.end());
  if (!e.mask_task) return;
  mask_.readouts = true;
  const std::set<std::string> words = readout_words(open.tokenizer.get(), train.examples);
  if (words.empty()) fail(config.data.train, "evaluation.mask_task: no record has a readout, whose words it masks.");
  mask_.words.insert(words.begin(), words.end());
}

Divergence Reference::of_text(const Model* tuned, const EncodedText& text, const LazyTokenizer& tokenizer) {
  if (!streams_) {
    const int64_t positions = base_.architecture().n_positions;
    const int64_t window = config_.evaluation.window > 0 ? config_.evaluation.window : positions;
    streams_.emplace(base_, compared_text(base_.architecture(), text, window, tokenizer, mask_),
                     config_.evaluation.batch, config_.data.untouched, stop_if_interrupted);
  }
  Rng rng(config_.tuning.batches.seed);
  return streams_->compare(tuned, rng, stop_if_interrupted);
}

}  // namespace circuit
