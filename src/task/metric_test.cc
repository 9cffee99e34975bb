#include "task/metric.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mm.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>

#include "model/forward.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

struct Case {
  const char* metric;
  const char* family;  // gemma2 has soft-capped logits
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.metric << " " << c.family; }

class Metrics : public testing::TestWithParam<Case> {
 protected:
  static Model make_model() {
    LoadOptions wide;
    wide.dtype = at::kDouble;
    return Model::random(tiny_architecture(GetParam().family), 0.6, 3, wide);
  }
  Model model_ = make_model();
  std::vector<Example> examples_ = random_examples(model_.architecture(), 5);
  ExampleBatch batch_ = make_example_batch(pointers(examples_), model_.architecture(), at::kCPU);
  at::Tensor x_ = forward(model_, batch_.tokens, Keep::kNothing).x_final;
};

TEST_P(Metrics, GradientIsACentralDifference) {
  const Metric& metric = find_metric(GetParam().metric);
  const at::Tensor gradient = metric.compute(model_, batch_, x_, MetricGradient::kStream).d_final;
  Rng rng(1);
  at::Tensor direction = at::empty_like(x_);
  for (int64_t i = 0; i < x_.numel(); ++i) direction.data_ptr<double>()[i] = rng.normal();
  constexpr double kEps = 1e-5;
  constexpr double kTolerance = 1e-8;  // truncation is O(eps²) times a third derivative, rounding 1e-16 / eps
  const auto sum_at = [&](double step) {
    const auto values = metric.compute(model_, batch_, x_ + direction * step, MetricGradient::kNone).values;
    return std::accumulate(values.begin(), values.end(), 0.0);
  };
  const double expected = (sum_at(kEps) - sum_at(-kEps)) / (2 * kEps);
  const double found = (gradient * direction).sum().item<double>();
  EXPECT_GT(std::fabs(expected), 1e-4) << "the test looks at nothing";
  EXPECT_NEAR(found, expected, kTolerance * std::max(1.0, std::fabs(expected)));
}

TEST_P(Metrics, LogitDifferencesAreThoseOfTheLogits) {
  const std::vector<double> found = logit_differences(model_, batch_, x_);
  const at::Tensor logits = logits_of(model_, x_, batch_.readout_rows);
  constexpr double kTolerance = 1e-12;  // float64, sums in another order
  for (int64_t r = 0; r < batch_.n_readouts(); ++r) {
    const auto mean = [&](const std::vector<int64_t>& ids) {
      double sum = 0;
      for (const int64_t id : ids) sum += logits[r][id].item<double>();
      return sum / static_cast<double>(ids.size());
    };
    EXPECT_NEAR(found[r], mean(batch_.readouts[r].correct) - mean(batch_.readouts[r].wrong), kTolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(Each, Metrics,
                         testing::Values(Case{"logit_diff", "gpt2"}, Case{"logit_diff", "gemma2"},
                                         Case{"prob_diff", "gpt2"}, Case{"prob_diff", "gemma2"}, Case{"nll", "gpt2"},
                                         Case{"nll", "gemma2"}));

// Of a BF16 model: what is read of its stream is not rounded again. BF16 logits of size 1 would be off by up to 4e-3.
TEST(MetricsInBf16, AreThoseOfTheStreamInFloat64) {
  constexpr double kTolerance = 2e-5;  // float32 sums
  LoadOptions narrow;
  narrow.dtype = at::kBFloat16;
  const Model model = Model::random(tiny_architecture("gpt2"), 0.6, 3, narrow);
  const std::vector<Example> examples = random_examples(model.architecture(), 5);
  ExampleBatch batch = make_example_batch(pointers(examples), model.architecture(), at::kCPU);
  const at::Tensor x = forward(model, batch.tokens, Keep::kNothing).x_final;
  ASSERT_EQ(x.scalar_type(), at::kBFloat16);
  batch.full = x.index_select(0, batch.readout_rows) * 0.5;
  const auto logits_at = [&](const at::Tensor& stream) {
    const at::Tensor centred = stream.to(at::kDouble) - stream.to(at::kDouble).mean(-1, true);
    const at::Tensor rstd = (centred.square().mean(-1, true) + model.architecture().norm.eps).rsqrt();
    const NormWeights& norm = model.final_norm();
    return at::mm(centred * rstd * norm.weight.to(at::kDouble) + norm.bias.to(at::kDouble),
                  model.unembedding().to(at::kDouble).t());
  };
  const at::Tensor logits = logits_at(x.index_select(0, batch.readout_rows));
  const at::Tensor log_probs = at::log_softmax(logits, 1);
  const at::Tensor full = at::log_softmax(logits_at(batch.full), 1);
  std::map<std::string, double> expected;
  for (int64_t r = 0; r < batch.n_readouts(); ++r) {
    const Readout& readout = batch.readouts[r];
    const double weight = 1.0 / static_cast<double>(batch.readouts_per_example[batch.readout_example[r]]);
    double right = 0;
    const auto add = [&](const std::vector<int64_t>& ids, double sign) {
      for (const int64_t id : ids) {
        const double p = std::exp(log_probs[r][id].item<double>());
        expected["logit_diff"] += sign * weight * logits[r][id].item<double>() / static_cast<double>(ids.size());
        expected["prob_diff"] += sign * weight * p;
        if (sign > 0) right += p;
      }
    };
    add(readout.correct, 1);
    add(readout.wrong, -1);
    expected["log_prob"] += std::log(right);
    expected["kl"] -= weight * (full[r].exp() * (full[r] - log_probs[r])).sum().item<double>();
  }
  const at::Tensor of_targets = at::log_softmax(logits_at(x.index_select(0, batch.targets.rows)), 1);
  for (int64_t t = 0; t < batch.n_targets(); ++t) {
    expected["nll"] += of_targets[t][batch.targets.ids[t].item<int64_t>()].item<double>();
  }
  for (const auto& [name, value] : expected) {
    double found = 0;
    for (const double m : metric_values(model, batch, find_metric(name), x)) found += m;
    EXPECT_NEAR(found, value, kTolerance * static_cast<double>(batch.n_targets())) << name;
  }
}

}  // namespace
}  // namespace circuit
