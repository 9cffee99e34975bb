#include "task/metric.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <gtest/gtest.h>

#include <cmath>
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

}  // namespace
}  // namespace circuit
