#include "tuning/trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <set>

#include "core/error.h"
#include "model/wide.h"
#include "ranks/shares.h"
#include "ranks/tree_sum.h"
#include "task/anchor.h"
#include "task/readout_penalty.h"
#include "tuning/euclidean_norm.h"
#include "tuning/gradients.h"

namespace circuit {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

ExampleList all_of(const std::vector<ExampleList>& parts) {
  ExampleList all;
  for (const ExampleList& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// What the first rank scored, on every rank.
void share_result(ScoreResult* result) {
  if (world().is_alone()) return;
  at::Tensor own = at::empty({0}, at::kByte);
  if (world().leads()) {
    const auto examples = static_cast<double>(result->examples);
    own = pack({at::tensor(result->scores.values, at::kFloat),
                at::tensor({result->metric, examples, result->sum_rule_error}, at::kDouble)});
  }
  const std::vector<at::Tensor> parts = unpack(gather(world(), "scores of the first batch", own)[0]);
  const auto* scores = parts[0].data_ptr<float>();
  const auto* numbers = parts[1].data_ptr<double>();
  result->scores.values.assign(scores, scores + parts[0].numel());
  result->metric = numbers[0];
  result->examples = static_cast<int64_t>(numbers[1]);
  result->sum_rule_error = numbers[2];
}

}  // namespace

struct Trainer::Step {
  int64_t number = 0;
  std::vector<ExampleList> examples;  // of the task
  std::vector<ExampleList> replayed;
  std::vector<ExampleBatch> batches;  // of the task's examples, then of replayed ones
  int64_t target_tokens = 0, readouts = 0;
  double loss_sum = 0;  // Σ nll · weight, and the regulariser on the same scale
  TreeSum gradients;    // of this rank's batches
  double metric = std::numeric_limits<double>::quiet_NaN();
  double learning_rate = 0;
  // What discovery leaves for the loss: the forward of the first batch, and its backward.
  ForwardCache shared;
  bool has_shared = false;
  std::unique_ptr<RecordedBackward> recorded;

  bool replays(size_t batch) const { return batch >= examples.size(); }
  double loss() const { return loss_sum / static_cast<double>(target_tokens); }
};

Trainer::Trainer(const Model& model, ParameterStore& store, TunerSpec spec)
    : model_(model), store_(store), spec_(std::move(spec)) {
  spec_.discovery.score.batch = spec_.batches.batch;
  if (spec_.batches.train->empty()) fail("tune", "there are no training records.");
}

Trainer::Trainer(const Model& model, const Graph& graph, const SliceTable& table, SliceStore& store, TunerSpec spec)
    : Trainer(model, store, std::move(spec)) {
  graph_ = &graph;
  table_ = &table;
  slices_ = &store;
  policy_ = std::make_unique<CircuitPolicy>(graph, table, spec_.discovery.policy);
}

void Trainer::restore(PolicyState state) {
  if (policy_) policy_->restore(std::move(state));
}

bool Trainer::discovers_at(int64_t step) const {
  if (!policy_) return false;
  return spec_.discovery.policy.once ? step == 0 : step % spec_.discovery.every == 0;
}

bool Trainer::metric_is_loss() const {
  const SlicePolicy& trained = spec_.discovery.policy.selection.policy;
  const bool plain = spec_.readout_weight == 1 && !spec_.readout_only && spec_.regulariser == 0 && spec_.anchor == 0;
  // The head's own gradients are made with the loss, not with a metric.
  return spec_.discovery.score.metric.name == "nll" && plain && !trained.train_norms && !trained.train_unembedding;
}

void Trainer::weigh(ExampleBatch* batch) const {
  if ((spec_.readout_weight == 1 && !spec_.readout_only) || batch->n_targets() == 0) return;
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

void Trainer::discover(Step* step, TuneObserver& observer) {
  const Clock::time_point start = Clock::now();
  const DiscoverySpec& d = spec_.discovery;
  ScoreResult result;
  const bool shares =
      d.batches == 0 && spec_.batches.accumulation == 1 && d.scorer.score_run != nullptr && !spec_.recompute;
  if (shares && !share_of(1, world()).has(0)) {
    // The one batch is another rank's.
  } else if (shares) {
    step->shared = forward(model_, step->batches[0].tokens, Keep::kBackwardAndNodeOutputs);
    step->has_shared = true;
    ScoreSpec score = d.score;
    if (metric_is_loss()) {
      step->recorded = std::make_unique<RecordedBackward>();
      score.witness = step->recorded.get();
    }
    // The copy shares the activations: using it up leaves the loss its own.
    result = d.scorer.score_run(model_, *graph_, step->examples[0], step->batches[0], step->shared, score);
  } else {
    const ExampleList examples =
        all_of(d.batches > 0 ? drawn_batches(spec_.batches, step->number, d.batches) : step->examples);
    result = d.scorer.score(model_, *graph_, examples, d.score, {});
  }
  if (shares) share_result(&result);
  Rng rng = Rng(spec_.batches.seed).split("selection " + std::to_string(step->number));
  SliceEvidence evidence;
  if (policy_->reads_gradients()) evidence.gradients = gradients_of_slices(*step);
  if (policy_->reads_general()) evidence.general = general_squares(*step);
  Choice choice = policy_->choose(step->number, result.scores, rng, evidence);
  slices_->select(std::move(choice.slices), d.on_return);
  step->metric = result.metric;
  observer.on_discovery({step->number, result.scores, choice.circuit, result.metric, result.examples,
                         result.sum_rule_error, seconds_since(start)});
}

std::vector<double> Trainer::gradients_of_slices(const Step& step) {
  TreeSum sum;
  // Of the task's records, which stand first, without what is replayed.
  const Share share = share_of(static_cast<int64_t>(step.examples.size()), world());
  for (int64_t i = share.first; i < share.last; ++i) {
    const ExampleBatch& batch = step.batches[i];
    SliceGradients sink(model_, table_->slices());
    if (batch.n_targets() > 0) {
      const Keep keep = spec_.recompute ? Keep::kStreams : Keep::kBackward;
      const auto at = static_cast<size_t>(i);
      add_loss(step, at, forward(model_, batch.tokens, keep, {read_rows(step, at)}), sink);
    }
    sum.add(i, sink.take());
  }
  std::vector<double> norms;
  for (const at::Tensor& g : sum.finish(world(), "gradients of every slice")) {
    norms.push_back(g.defined() ? euclidean_norm(g) : 0);
  }
  return norms;
}

GeneralText Trainer::general_text(int64_t step) const {
  return {*spec_.batches.replay, spec_.general_windows, static_cast<uint64_t>(spec_.batches.seed), step,
          spec_.recompute};
}

std::vector<double> Trainer::general_squares(const Step& step) const {
  std::optional<SliceGradients> sink;
  std::vector<double> own;
  read_general(
      model_, general_text(step.number), [&](int64_t) -> WeightSink& { return sink.emplace(model_, table_->slices()); },
      [&](int64_t) {
        for (const double norm : sink->norms()) own.push_back(norm * norm);
      });
  // In the order of the windows, whoever had them.
  const std::vector<double> all = joined(world(), "gradients of general text", own);
  const size_t slices = table_->slices().size();
  std::vector<double> mean(slices);
  for (size_t i = 0; i < all.size(); ++i) mean[i % slices] += all[i] / static_cast<double>(spec_.general_windows);
  return mean;
}

void Trainer::spare_general_text(int64_t step) {
  if (spec_.optimizer.curvature > 0 && store_.lacks_curvature()) {
    TreeSum sum;
    read_general(
        model_, general_text(step), [&](int64_t) -> WeightSink& { return store_.begin_batch(); },
        [&](int64_t window) {
          std::vector<at::Tensor> squares = store_.take_gradients();
          for (at::Tensor& g : squares) {
            if (g.defined()) g = wide(g).square().div_(static_cast<double>(spec_.general_windows));
          }
          sum.add(window, std::move(squares));
        });
    store_.take_curvature(sum.finish_at(world(), "curvature of general text", store_.owners()));
  }
  if (spec_.null_space > 0 && store_.lacks_protection()) {
    std::vector<Slice> entries;
    for (const int64_t id : store_.current()) entries.push_back(store_.table()[id]);
    InputMoments moments(model_, entries);
    TreeSum sum;
    read_general(
        model_, general_text(step), [&](int64_t) -> WeightSink& { return moments; },
        [&](int64_t window) { sum.add(window, moments.take()); });
    store_.protect(moments.of_entries(sum.finish(world(), "inputs of general text")), spec_.null_space);
  }
}

double Trainer::anchor_of(const Step& step, size_t batch) const {
  return step.replays(batch) ? spec_.anchor_replay : spec_.anchor;
}

at::Tensor Trainer::read_rows(const Step& step, size_t batch) const {
  const bool more = spec_.regulariser > 0 || anchor_of(step, batch) > 0;
  return more ? at::Tensor() : step.batches[batch].targets.rows;
}

at::Tensor Trainer::anchored_rows(const Step& step, size_t i) const {
  const ExampleBatch& batch = step.batches[i];
  std::vector<bool> free(batch.tokens.tokens());
  for (int64_t r = 0; r < batch.n_readouts(); ++r) {
    free[batch.tokens.starts[batch.readout_example[r]] + batch.readouts[r].position - 1] = true;
  }
  if (step.replays(i)) {
    const ExampleList& examples = step.replayed[i - step.examples.size()];
    for (size_t e = 0; e < examples.size(); ++e) {
      const std::vector<bool>& masked = spec_.replay_masked[examples[e] - spec_.batches.replay->data()];
      for (size_t t = 1; t < masked.size(); ++t) {
        if (masked[t]) free[batch.tokens.starts[e] + static_cast<int64_t>(t) - 1] = true;
      }
    }
  }
  std::vector<int64_t> rows;
  for (size_t row = 0; row < free.size(); ++row) {
    if (!free[row]) rows.push_back(static_cast<int64_t>(row));
  }
  return at::tensor(rows, at::kLong).to(model_.device());
}

double Trainer::add_loss(const Step& step, size_t i, ForwardCache run, WeightSink& sink) {
  const ExampleBatch& batch = step.batches[i];
  const LossGradient wanted =
      sink.wants(model_.layout().unembedding) ? LossGradient::kStreamAndUnembedding : LossGradient::kStream;
  run.read_rows = read_rows(step, i);
  const double anchor = anchor_of(step, i);
  Loss loss;
  double sum = 0;
  // What is replayed is learned, or held to the base.
  if (!step.replays(i) || anchor == 0) {
    loss = nll_loss(model_, run.x_final, batch.targets, wanted);
    const at::Tensor terms = batch.targets.weights.defined() ? loss.nll * batch.targets.weights : loss.nll;
    sum = terms.sum().item<double>();
  }
  const auto add = [&](const LossTerm& term, double weight) {
    sum += weight * term.sum;
    loss = with_term(std::move(loss), term, weight);
  };
  if (spec_.regulariser > 0 && batch.n_readouts() > 0) {
    // On the scale of the loss's sum, which is divided by the number of target tokens at last.
    const double weight =
        spec_.regulariser * static_cast<double>(step.target_tokens) / static_cast<double>(step.readouts);
    add(readout_penalty(model_, batch, run.x_final, wanted), weight);
  }
  if (anchor > 0) {
    const at::Tensor rows = anchored_rows(step, i);
    if (rows.size(0) > 0) add(anchor_term(*spec_.base, model_, batch.tokens, run.x_final, rows, wanted), anchor);
  }
  if (std::isfinite(sum) && loss.d_y.defined())
    weight_gradients(model_, batch.tokens, run, loss, 1.0 / static_cast<double>(step.target_tokens), sink);
  return sum;
}

double Trainer::learn_batch(Step* step, size_t i, WeightSink& sink) {
  const ExampleBatch& batch = step->batches[i];
  if (batch.n_targets() == 0) return 0;
  if (i == 0 && step->recorded) {
    // Σ M = −Σ nll: the gradients are there already.
    const double sum = -step->metric * static_cast<double>(batch.examples);
    if (std::isfinite(sum)) {
      const double scale = -1.0 / static_cast<double>(step->target_tokens);
      step->recorded->show(model_, batch.tokens, step->shared, scale, sink);
    }
    step->recorded.reset();
    step->shared = ForwardCache();
    return sum;
  }
  const Keep keep = spec_.recompute ? Keep::kStreams : Keep::kBackward;
  const bool shared = i == 0 && step->has_shared;
  return add_loss(*step, i,
                  shared ? std::move(step->shared) : forward(model_, batch.tokens, keep, {read_rows(*step, i)}), sink);
}

// Every rank learns from a share of the micro-batches; what they add up to is known once all have.
void Trainer::learn(Step* step) {
  const Share share = share_of(static_cast<int64_t>(step->batches.size()), world());
  std::vector<double> losses;
  for (int64_t i = share.first; i < share.last; ++i) {
    losses.push_back(learn_batch(step, static_cast<size_t>(i), store_.begin_batch()));
    step->gradients.add(i, store_.take_gradients());
  }
  for (const double loss : joined(world(), "losses", losses)) step->loss_sum += loss;
}

void Trainer::check_loss(const Step& step, TuneObserver& observer) const {
  const double loss = step.loss();
  const bool finite = std::isfinite(loss);
  if (finite && (spec_.max_loss == 0 || loss <= spec_.max_loss)) return;
  observer.on_failure({step.number, loss, step.learning_rate, all_of(step.examples)});
  if (!finite) {
    fail("tune", "step {}: the loss is not finite. Lower optimizer.lr, set optimizer.clip, or check the data.",
         step.number);
  }
  fail("tune",
       "step {}: the loss is {:.4g}, above tuning.max_loss = {:.4g}. Lower optimizer.lr, set optimizer.clip, or "
       "check the data.",
       step.number, loss, spec_.max_loss);
}

void Trainer::check_update(const Step& step, const UpdateNorms& norms, TuneObserver& observer) const {
  bool finite = std::isfinite(norms.gradient);
  for (const double update : norms.slice_updates) finite = finite && std::isfinite(update);
  if (finite) return;
  observer.on_failure({step.number, step.loss(), step.learning_rate, all_of(step.examples)});
  fail("tune", "step {}: the update is not finite. Lower optimizer.lr, set optimizer.clip, or raise optimizer.epsilon.",
       step.number);
}

void Trainer::step(int64_t s, TuneObserver& observer) {
  const Clock::time_point start = Clock::now();
  const int64_t sent = world().sent_bytes();
  Step step;
  step.number = s;
  step.examples = task_batches(spec_.batches, s);
  step.replayed = replay_batches(spec_.batches, s);
  std::vector<ExampleList> parts = step.examples;
  parts.insert(parts.end(), step.replayed.begin(), step.replayed.end());
  for (const ExampleList& part : parts) {
    step.batches.push_back(make_example_batch(part, model_.architecture(), model_.device()));
    // Replayed text has no readouts: its tokens count as they are.
    if (step.batches.size() <= step.examples.size()) weigh(&step.batches.back());
    step.target_tokens += step.batches.back().n_targets();
    step.readouts += step.batches.back().n_readouts();
  }
  if (step.target_tokens == 0) fail("tune", "step {}: no target tokens in the batch.", s);
  const bool discovers = discovers_at(s);
  if (discovers) discover(&step, observer);
  spare_general_text(s);
  step.learning_rate = learning_rate(spec_.schedule, s);
  learn(&step);
  check_loss(step, observer);
  const auto detail = discovers ? ParameterStore::Detail::kPerSlice : ParameterStore::Detail::kGlobal;
  std::vector<at::Tensor> gradients = step.gradients.finish_at(world(), "gradients", store_.owners());
  const UpdateNorms norms =
      store_.update(spec_.optimizer, step.learning_rate, spec_.clip, detail, std::move(gradients));
  check_update(step, norms, observer);
  observer.on_step({s, step.loss(), step.metric, step.learning_rate, step.target_tokens, store_.current_parameters(),
                    norms, seconds_since(start), world().sent_bytes() - sent});
}

void Trainer::run(int64_t first_step, TuneObserver& observer) {
  for (int64_t s = first_step; s < spec_.steps; ++s) {
    step(s, observer);
    if (observer.after_updates(s + 1)) return;
  }
}

}  // namespace circuit
