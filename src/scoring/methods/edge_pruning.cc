// edge-pruning: masks on edges, learned by gradient descent (Bhaskar et al. 2024, arXiv 2406.16778; hard concrete
// distribution of Louizos et al. 2018, arXiv 1712.01312).
//   m_e = clip(s (ζ − γ) + γ, 0, 1),  s = σ((log u − log(1 − u) + α_e) / β),  u uniform
//   loss = KL(full ‖ masked) / KL(full ‖ no edges) + λ · mean_e P(m_e > 0)
// One draw of u for all records of a step. After each step all α are moved by one amount, so that the mean of P(m_e >
// 0) is what it shall be: it falls geometrically to mask_share. So λ need not be found: it only says which gradients
// count as noise. A score is P(m_e > 0) after the last step: what is given up early ends lowest.
#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/rng.h"
#include "intervention/masked_run.h"
#include "scoring/gradient_methods.h"

namespace circuit {
namespace {

const Parameter<int64_t> kMaskSteps("mask_steps", 200, "edge-pruning: steps in which masks are learned.", 1, 1e6,
                                    Setting::Ends::kIncluded, "0.3");
const Parameter<int64_t> kMaskRecords("mask_records", 16, "edge-pruning: records in a step; of fewer, all.", 1, 1e6,
                                      Setting::Ends::kIncluded, "0.3");
const Parameter<double> kMaskShare("mask_share", 0.05, "edge-pruning: share of the edges that masks shall keep.", 0, 1,
                                   Setting::Ends::kLowExcluded, "0.3");
const Parameter<double> kMaskRate("mask_rate", 0.1, "edge-pruning: learning rate of masks (Adam).", 0, 100,
                                  Setting::Ends::kLowExcluded, "0.3");

constexpr const char* kName = "edge-pruning";
constexpr double kBeta = 2.0 / 3, kLow = -0.1, kHigh = 1.1;  // β, γ, ζ
constexpr double kFirst = 2;                                 // of α: 97 % of masks are above zero
constexpr double kFalling = 0.7;                             // of the steps, until mask_share is asked for
constexpr double kPenalty = 3;                               // λ: what an edge must be worth, in mean edges' worth

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double kept(double alpha) { return sigmoid(alpha - kBeta * std::log(-kLow / kHigh)); }  // P(m > 0)

// The distribution of every edge's mask, and its descent by Adam (Kingma & Ba 2014, arXiv 1412.6980).
class Masks {
 public:
  Masks(int64_t edges, double rate)
      : rate_(rate), alpha_(edges, kFirst), first_(edges), second_(edges), mask_(edges), slope_(edges) {}

  // One draw of all masks.
  const std::vector<double>& draw(Rng rng) {
    for (size_t e = 0; e < alpha_.size(); ++e) {
      const double u = std::clamp(rng.uniform(), 1e-9, 1 - 1e-9);
      const double s = sigmoid((std::log(u) - std::log1p(-u) + alpha_[e]) / kBeta);
      const double stretched = s * (kHigh - kLow) + kLow;
      mask_[e] = std::clamp(stretched, 0.0, 1.0);
      slope_[e] = mask_[e] == stretched ? s * (1 - s) * (kHigh - kLow) / kBeta : 0;
    }
    return mask_;
  }

  // A step down d_loss, at the last draw, along which `share` of the masks are kept.
  void descend(const double* d_loss, double share) {
    constexpr double kDecay1 = 0.9, kDecay2 = 0.99, kEpsilon = 1e-12;
    ++steps_;
    const double unbias1 = 1 - std::pow(kDecay1, steps_);
    const double unbias2 = 1 - std::pow(kDecay2, steps_);
    const double penalty = kPenalty / static_cast<double>(alpha_.size());
    for (size_t e = 0; e < alpha_.size(); ++e) {
      const double p = kept(alpha_[e]);
      const double g = d_loss[e] * slope_[e] + penalty * p * (1 - p);
      first_[e] += (1 - kDecay1) * (g - first_[e]);
      second_[e] += (1 - kDecay2) * (g * g - second_[e]);
      alpha_[e] -= rate_ * (first_[e] / unbias1) / (std::sqrt(second_[e] / unbias2) + kEpsilon);
    }
    keep(share);
  }

  EdgeScores scores() const {
    EdgeScores scores;
    for (const double a : alpha_) scores.values.push_back(static_cast<float>(kept(a)));
    return scores;
  }

 private:
  // Moves all α by one amount, so that the mean of P(m > 0) is `share`.
  void keep(double share) {
    constexpr int kHalvings = 60;
    double low = -100, high = 100;
    for (int i = 0; i < kHalvings; ++i) {
      const double middle = (low + high) / 2;
      double sum = 0;
      for (const double a : alpha_) sum += kept(a + middle);
      (sum < share * static_cast<double>(alpha_.size()) ? low : high) = middle;
    }
    for (double& a : alpha_) a += low;
  }

  double rate_;
  int64_t steps_ = 0;
  std::vector<double> alpha_, first_, second_, mask_, slope_;
};

// Records of step after step: all of them in an order of their own before one comes again.
class RecordsInTurn {
 public:
  RecordsInTurn(std::vector<const Example*> all, int64_t count, Rng rng)
      : all_(std::move(all)), count_(count), rng_(rng) {}
  std::vector<const Example*> next() {
    if (count_ >= all_.size()) return all_;
    std::vector<const Example*> some;
    while (some.size() < count_) {
      if (order_.empty()) order_ = permutation(static_cast<int64_t>(all_.size()), rng_);
      some.push_back(all_[order_.back()]);
      order_.pop_back();
    }
    return some;
  }

 private:
  std::vector<const Example*> all_;
  size_t count_;
  Rng rng_;
  std::vector<int64_t> order_;
};

ScoreResult score_edge_pruning(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                               const ScoreSpec& spec, const ProgressCallback& progress) {
  if (examples.empty()) fail("scoring", "there are no examples to score on.");
  if (spec.positions != Positions::kAll) fail(kName, "a mask is of an edge at every position: use positions all.");
  check_masked(model, graph, kName);
  const auto ablated = ablated_outputs(model, graph, examples, spec);
  ScoreSpec by_kl = spec;
  by_kl.metric = find_metric("kl");
  const int64_t steps = kMaskSteps.of(spec.own);
  const int64_t records = std::min<int64_t>(kMaskRecords.of(spec.own), static_cast<int64_t>(examples.size()));
  const int64_t total = 2 * static_cast<int64_t>(examples.size()) + steps * records;
  int64_t done = 0;
  const auto shown = [&](int64_t of_these, int64_t) {
    if (progress) progress(done + of_these, total);
  };
  // Sum of −KL over records under one mask, and its gradient there.
  const auto run = [&](const std::vector<const Example*>& some, const at::Tensor& mask, bool gradient,
                       ScoreResult* result) {
    auto sums = sum_batches(model, some, by_kl, shown, result, [&](const ScoreBatch& batch, ScoreResult* one) {
      const NodeOutputs outputs = ablated->of(batch.examples, batch.clean);
      MaskedRunner runner(model, graph, batch.clean.tokens, outputs);
      at::Tensor d_final;
      const at::Tensor stream = runner.run(mask);
      one->metric = metric_sum(model, batch.clean, by_kl.metric, stream, gradient ? &d_final : nullptr);
      one->examples = batch.clean.examples;
      std::vector<at::Tensor> added;
      if (gradient) added.push_back(runner.gradient(d_final).to(at::kCPU, at::kDouble));
      return added;
    });
    done += static_cast<int64_t>(some.size());
    return sums;
  };
  ScoreResult result = clean_metric(model, examples, spec, shown);
  done += static_cast<int64_t>(examples.size());
  ScoreResult none;
  run(examples, at::zeros({graph.n_edges()}, at::kDouble), false, &none);
  const double unit = -none.metric / static_cast<double>(none.examples);
  if (!(unit > 0))
    fail(kName,
         "without any edge the model says what it says with all: there is nothing to learn. Take another ablation or "
         "other records.");

  Rng rng = Rng(spec.seed).split("edge pruning");
  Masks masks(graph.n_edges(), kMaskRate.of(spec.own));
  RecordsInTurn turns(examples, records, rng.split("records"));
  const double wanted = kMaskShare.of(spec.own);
  for (int64_t step = 0; step < steps; ++step) {
    std::vector<double> mask = masks.draw(rng.split("step " + std::to_string(step)));
    const at::Tensor drawn = at::from_blob(mask.data(), {graph.n_edges()}, at::kDouble).to(model.device());
    ScoreResult one;
    const std::vector<at::Tensor> sums = run(turns.next(), drawn, true, &one);
    const at::Tensor d_loss = sums[0] / (-unit * static_cast<double>(one.examples));
    const double part = std::min(1.0, static_cast<double>(step + 1) / (kFalling * static_cast<double>(steps)));
    masks.descend(d_loss.data_ptr<double>(), std::pow(wanted, part));
  }
  result.scores = masks.scores();
  return result;
}

}  // namespace

Scorer edge_pruning_scorer() {
  Scorer scorer{kName, "edge masks learned by gradient descent, so that few edges keep the model's predictions: slow",
                score_edge_pruning};
  scorer.splits_spans = false;
  scorer.memory.node_copies = 4;
  scorer.parameters = {&kMaskSteps, &kMaskRecords, &kMaskShare, &kMaskRate};
  return scorer;
}

}  // namespace circuit
