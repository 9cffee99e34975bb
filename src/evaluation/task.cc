#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "evaluation/evaluation.h"
#include "model/forward.h"
#include "ranks/shares.h"

namespace circuit {
namespace {

double nll_sum(const Model& model, const ExampleBatch& batch, const at::Tensor& x_final) {
  const at::Tensor nll = nll_loss(model, x_final, batch.targets, LossGradient::kNone).nll.to(at::kCPU);
  double sum = 0;
  for (int64_t t = 0; t < batch.n_targets(); ++t) {
    const double value = nll.data_ptr<double>()[t];
    if (!std::isfinite(value)) {
      fail(batch.places[batch.target_example[t]],
           "the log-probability of a token is {}: the model's logits are not finite. Check its weights; in tuning, "
           "lower optimizer.lr or set optimizer.clip.",
           -value);
    }
    sum += value;
  }
  return sum;
}

using ExampleList = std::vector<const Example*>;

ExampleList examples_of(const std::vector<Example>& examples, int64_t first, int64_t batch) {
  ExampleList part;
  const int64_t end = std::min(static_cast<int64_t>(examples.size()), first + batch);
  for (int64_t i = first; i < end; ++i) part.push_back(&examples[i]);
  return part;
}

// Tokens that the loss counts.
int64_t targets_of(const Example& e) {
  return std::max<int64_t>(0, static_cast<int64_t>(e.ids.size()) - std::max<int64_t>(1, e.first_target));
}

}  // namespace

TaskResult evaluate_task(const Model& model, const std::vector<Example>& examples, const Metric& metric, int64_t batch,
                         const EvaluationProgress& progress) {
  TaskResult result;
  const auto total = static_cast<int64_t>(examples.size());
  // Decided once for all records, so that no result depends on which of them share a batch.
  const bool readouts =
      std::any_of(examples.begin(), examples.end(), [](const Example& e) { return !e.readouts.empty(); });
  if (readouts) {
    for (const Example& e : examples) check_metric(metric, e);
  }
  std::map<std::string, int64_t> right;
  int64_t right_all = 0;
  result.right_of.resize(total);
  result.compared_of.resize(total);
  // What the model says of a batch, as numbers in a row: they come from all ranks.
  std::vector<double> own;
  const Share share = share_of(parts_of(total, batch), world());
  for (int64_t p = share.first; p < share.last; ++p) {
    const ExampleList part = examples_of(examples, p * batch, batch);
    ExampleBatch b = make_example_batch(part, model.architecture(), model.device());
    const ForwardCache run = forward(model, b.tokens, Keep::kNothing);
    if (b.n_readouts() > 0) b.full = run.x_final.index_select(0, b.readout_rows);  // this is the whole model
    own.push_back(b.n_targets() > 0 ? nll_sum(model, b, run.x_final) : 0);
    const auto add = [&](const std::vector<double>& values) { own.insert(own.end(), values.begin(), values.end()); };
    if (readouts) add(metric_values(model, b, metric, run.x_final));
    if (b.n_readouts() > 0) add(logit_differences(model, b, run.x_final));
    if (progress) progress(std::min(total, p * batch + batch), total);
  }
  const std::vector<double> all = joined(world(), "evaluation of records", own);
  const double* next = all.data();
  for (int64_t first = 0; first < total; first += batch) {
    const ExampleList part = examples_of(examples, first, batch);
    result.nll += *next++;
    for (const Example* e : part) result.target_tokens += targets_of(*e);
    if (readouts) {
      for (size_t i = 0; i < part.size(); ++i) result.metric += *next++;
    }
    for (size_t i = 0; i < part.size(); ++i) {
      const size_t example = static_cast<size_t>(first) + i;
      for (const Readout& readout : part[i]->readouts) {
        ++result.readouts;
        const double difference = *next++;
        if (std::isnan(difference)) continue;
        const bool is_right = difference > 0;
        result.right_of[example] += is_right ? 1 : 0;
        result.compared_of[example] += 1;
        result.logit_diff += difference;
        ++result.compared;
        right_all += is_right;
        if (readout.label.empty()) continue;
        right[readout.label] += is_right;
        ++result.count_by[readout.label];
      }
    }
  }
  if (result.target_tokens > 0) result.nll /= static_cast<double>(result.target_tokens);
  if (result.readouts > 0) result.metric /= static_cast<double>(total);
  if (result.compared > 0) {
    result.logit_diff /= static_cast<double>(result.compared);
    result.accuracy = static_cast<double>(right_all) / static_cast<double>(result.compared);
  }
  for (const auto& [label, count] : result.count_by) {
    result.accuracy_by[label] = static_cast<double>(right[label]) / static_cast<double>(count);
  }
  return result;
}

}  // namespace circuit
