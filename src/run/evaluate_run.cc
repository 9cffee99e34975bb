#include "run/evaluate_run.h"

#include <cmath>

#include "core/error.h"
#include "evaluation/ability.h"
#include "run/interrupt.h"

namespace circuit {
namespace {

void add_task(const std::string& split, const Dataset& data, const RunConfig& c, const Model& model,
              Evaluation* values) {
  const TaskResult r = evaluate_task(model, data.examples, find_metric(c.discovery.score.metric), c.evaluation.batch,
                                     stop_if_interrupted);
  if (r.readouts > 0) {
    (*values)[split + "/metric"] = r.metric;
    // Over readouts; as a metric, logit_diff is the mean over examples and already there.
    if (r.compared > 0 && c.discovery.score.metric != "logit_diff") (*values)[split + "/logit_diff"] = r.logit_diff;
    if (r.compared > 0) (*values)[split + "/accuracy"] = r.accuracy;
    for (const auto& [label, share] : r.accuracy_by) (*values)[split + "/accuracy/" + label] = share;
  } else if (r.target_tokens > 0) {
    (*values)[split + "/metric"] = -r.nll;  // records without readouts: the better, the likelier
  }
  if (r.target_tokens > 0) (*values)[split + "/perplexity"] = std::exp(r.nll);
}

// The files of evaluation.files: "ability/blimp/accuracy".
void add_ability(const RunConfig& c, const OpenModel& open, const Reference* reference, Evaluation* values) {
  AbilitySpec spec;
  spec.begin_token = c.data.bos;
  spec.batch = c.evaluation.batch;
  spec.window = c.evaluation.window;
  spec.metric = c.discovery.score.metric;
  spec.max_tokens = c.evaluation.max_tokens;
  for (const std::string& file : c.evaluation.files) {
    const FileKind kind = file_kind(file);
    spec.leave_out = kind == FileKind::kMinimalPairs ? c.evaluation.leave_out : std::vector<std::string>();
    spec.base = reference != nullptr && is_compared(kind) ? &reference->base() : nullptr;
    if (reference != nullptr) spec.mask = reference->mask();
    const FileScore score = score_file(open.model, open.tokenizer, file, spec, stop_if_interrupted);
    for (const Measure& m : score.measures) (*values)["ability/" + ability_name(file) + "/" + m.name] = m.value;
  }
}

}  // namespace

Evaluation evaluate_run(const RunConfig& config, const TuneModel& model, ParameterStore& store, const TuneData& data,
                        Splits splits, Weights weights) {
  const RoundedModel rounded(store, model.open.checkpoint);
  Evaluation values;
  if (data.dev) add_task("dev", *data.dev, config, model.open.model, &values);
  if (data.test && splits == Splits::kAll) add_task("test", *data.test, config, model.open.model, &values);
  if (splits == Splits::kMetric || data.untouched.ids.empty()) {
    // Nothing of it is asked, or there is none.
  } else if (data.reference) {
    const Model* tuned = weights == Weights::kBase ? nullptr : &model.open.model;
    const Divergence d = data.reference->of_text(tuned, data.untouched, model.open.tokenizer);
    values["untouched/kl"] = d.kl.value;
    values["untouched/top1_agreement"] = d.top1_agreement.value;
    values["untouched/perplexity"] = std::exp(d.nll);
  } else {
    const int64_t positions = model.open.model.architecture().n_positions;
    const int64_t window = config.evaluation.window > 0 ? config.evaluation.window : positions;
    const TextResult r =
        evaluate_text(model.open.model, data.untouched, window, config.evaluation.batch, stop_if_interrupted);
    values["untouched/perplexity"] = std::exp(r.nll);
  }
  if (splits == Splits::kAll) add_ability(config, model.open, data.reference.get(), &values);
  for (const auto& [name, value] : values) {
    if (!std::isnan(value)) continue;
    fail("tune", "evaluation: {} is not finite. Lower optimizer.lr, set optimizer.clip, or check the model's weights.",
         name);
  }
  return values;
}

}  // namespace circuit
