#include "tuning/trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <set>

#include "core/error.h"

namespace circuit {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

Trainer::Trainer(const Model& model, const Graph& graph, const SliceTable& table, SliceStore& store,
                 const std::vector<Example>& train, TunerSpec spec)
    : model_(model), graph_(graph), table_(table), store_(store), train_(train), spec_(std::move(spec)) {
  spec_.score.batch = spec_.batch;
  if (train_.empty()) fail("tune", "there are no training records.");
}

std::vector<std::vector<const Example*>> Trainer::batches_of(int64_t step) const {
  const auto n = static_cast<int64_t>(train_.size());
  const int64_t per_step = spec_.batch * spec_.accumulation;
  std::vector<std::vector<const Example*>> batches(spec_.accumulation);
  int64_t epoch = -1;
  std::vector<int64_t> order;
  for (int64_t i = 0; i < per_step; ++i) {
    const int64_t position = step * per_step + i;
    if (position / n != epoch) {
      epoch = position / n;
      Rng rng = Rng(spec_.seed).split("epoch " + std::to_string(epoch));
      order = permutation(n, rng);
    }
    batches[i / spec_.batch].push_back(&train_[order[position % n]]);
  }
  return batches;
}

std::vector<std::vector<const Example*>> Trainer::discovery_batches(int64_t step) const {
  Rng rng = Rng(spec_.seed).split("discovery " + std::to_string(step));
  std::vector<std::vector<const Example*>> batches(spec_.discovery_batches);
  for (auto& batch : batches) {
    for (int64_t i = 0; i < spec_.batch; ++i) batch.push_back(&train_[rng.below(train_.size())]);
  }
  return batches;
}

void Trainer::weigh(ExampleBatch* batch) const {
  if (spec_.readout_weight == 1 && !spec_.readout_only) return;
  std::set<int64_t> readout_rows;
  for (int64_t r = 0; r < batch->n_readouts(); ++r) {
    readout_rows.insert(batch->tokens.starts[batch->readout_example[r]] + batch->readouts[r].position - 1);
  }
  const at::Tensor rows = batch->targets.rows.to(at::kCPU);
  std::vector<double> weights;
  for (int64_t t = 0; t < batch->n_targets(); ++t) {
    const bool readout = readout_rows.count(rows.data_ptr<int64_t>()[t]) > 0;
    weights.push_back(readout ? spec_.readout_weight : (spec_.readout_only ? 0.0 : 1.0));
  }
  batch->targets.weights = at::tensor(weights, at::kDouble).to(model_.device(), model_.dtype());
}

void Trainer::discover(int64_t step, const std::vector<std::vector<const Example*>>& batches,
                       const ExampleBatch* batch, const ForwardCache* run, TuneObserver& observer) {
  const Clock::time_point start = Clock::now();
  ScoreResult result;
  if (run != nullptr) {
    // The copy shares the activations: using it up leaves the loss its own.
    result = spec_.scorer.score_run(model_, graph_, batches[0], *batch, *run, spec_.score);
  } else {
    std::vector<const Example*> examples;
    for (const auto& part : batches) examples.insert(examples.end(), part.begin(), part.end());
    result = spec_.scorer.score(model_, graph_, examples, spec_.score, {});
  }
  Rng rng = Rng(spec_.seed).split("selection " + std::to_string(step));
  const Circuit circuit = spec_.selector.select({graph_, result.scores, table_}, spec_.selection, rng);
  store_.select(table_.of_circuit(circuit, spec_.selection.policy), spec_.on_return);
  last_metric_ = result.metric;
  observer.on_discovery({step, result.scores, circuit, result.metric, result.examples, result.sum_rule_error,
                         seconds_since(start)});
}

void Trainer::step(int64_t s, TuneObserver& observer) {
  const Clock::time_point start = Clock::now();
  const auto examples = batches_of(s);
  std::vector<ExampleBatch> batches;
  int64_t target_tokens = 0;
  for (const auto& part : examples) {
    batches.push_back(make_example_batch(part, model_.architecture(), model_.device()));
    weigh(&batches.back());
    target_tokens += batches.back().n_targets();
  }
  if (target_tokens == 0) fail("tune", "step {}: no target tokens in the batch.", s);
  const bool discovers = spec_.discovers && s % spec_.every == 0;
  ForwardCache shared;
  const bool shares = discovers && spec_.discovery_batches == 0 && spec_.accumulation == 1 &&
                      spec_.scorer.score_run != nullptr;
  if (discovers) {
    if (shares) shared = forward(model_, batches[0].tokens, Keep::kBackwardAndNodeOutputs);
    discover(s, spec_.discovery_batches > 0 ? discovery_batches(s) : examples, &batches[0],
             shares ? &shared : nullptr, observer);
  }
  SliceGradients gradients(model_, store_.current_slices());
  const LossGradient wanted =
      gradients.wants_unembedding() ? LossGradient::kStreamAndUnembedding : LossGradient::kStream;
  double loss_sum = 0;
  for (const ExampleBatch& batch : batches) {
    if (batch.n_targets() == 0) continue;
    ForwardCache run =
        shares ? std::move(shared) : forward(model_, batch.tokens, Keep::kBackward, {batch.targets.rows});
    run.read_rows = batch.targets.rows;
    const Loss loss = nll_loss(model_, run.x_final, batch.targets, wanted);
    const at::Tensor terms = batch.targets.weights.defined() ? loss.nll * batch.targets.weights : loss.nll;
    loss_sum += terms.sum().item<double>();
    if (!std::isfinite(loss_sum)) {
      fail("tune", "step {}: the loss is not finite. Lower optimizer.lr, set optimizer.clip, or check the data.", s);
    }
    gradients.add(batch.tokens, run, loss, 1.0 / static_cast<double>(target_tokens));
  }
  const double lr = learning_rate(spec_.schedule, s);
  const auto detail = discovers ? SliceStore::Detail::kPerSlice : SliceStore::Detail::kGlobal;
  const UpdateNorms norms = store_.update(gradients, spec_.optimizer, lr, spec_.clip, detail);
  const double metric = discovers ? last_metric_ : std::numeric_limits<double>::quiet_NaN();
  observer.on_step({s, loss_sum / static_cast<double>(target_tokens), metric, lr, target_tokens,
                    store_.current_parameters(), norms, seconds_since(start)});
}

void Trainer::run(int64_t first_step, TuneObserver& observer) {
  for (int64_t s = first_step; s < spec_.steps; ++s) {
    step(s, observer);
    if (observer.after_updates(s + 1)) return;
  }
}

}  // namespace circuit
