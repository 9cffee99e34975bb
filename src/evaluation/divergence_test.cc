#include "evaluation/divergence.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "model/forward.h"
#include "model/head.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

class Divergences : public testing::Test {
 protected:
  static Model model_of(uint64_t seed) { return Model::random(tiny_architecture("gpt2"), 0.4, seed, {}); }
  // Next-token probabilities of one sequence in float64, [tokens, vocab], row by row from the logits.
  static std::vector<std::vector<double>> probabilities(const Model& model, const std::vector<int64_t>& ids) {
    const TokenBatch batch = make_token_batch({ids}, model.architecture(), at::kCPU);
    std::vector<int64_t> all(ids.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
    const at::Tensor x = forward(model, batch, Keep::kNothing).x_final;
    const at::Tensor y = norm_forward(model.final_norm(), x, nullptr);
    const at::Tensor logits = head_logits(model, y).to(at::kDouble);
    std::vector<std::vector<double>> rows;
    for (size_t r = 0; r < ids.size(); ++r) {
      std::vector<double> row;
      double sum = 0;
      for (int64_t v = 0; v < logits.size(1); ++v) {
        row.push_back(std::exp(logits[static_cast<int64_t>(r)][v].item<double>()));
        sum += row.back();
      }
      for (double& p : row) p /= sum;
      rows.push_back(row);
    }
    return rows;
  }
  Model base_ = model_of(1);
  Model tuned_ = model_of(2);
  LazyTokenizer tokenizer_{"no tokenizer is read"};
  std::vector<Example> examples_ = random_examples(base_.architecture(), 7);
};

TEST_F(Divergences, AreTheDefinition) {
  MaskSpec mask;
  mask.readouts = true;
  Rng rng(1);
  const BaseStreams base(base_, compared_records(examples_, tokenizer_, mask), 3, "test", {});
  const Divergence d = base.compare(&tuned_, rng, {});
  double kl = 0;
  double same = 0;
  double nll = 0;
  int64_t compared = 0;
  int64_t tokens = 0;
  for (const Example& e : examples_) {
    const auto p = probabilities(base_, e.ids);
    const auto q = probabilities(tuned_, e.ids);
    for (int64_t t = std::max<int64_t>(1, e.first_target); t < static_cast<int64_t>(e.ids.size()); ++t) {
      nll -= std::log(q[t - 1][e.ids[t]]);
      ++tokens;
      bool masked = false;
      for (const Readout& r : e.readouts) masked = masked || r.position == t;
      if (masked) continue;
      for (size_t v = 0; v < p[t - 1].size(); ++v) kl += p[t - 1][v] * std::log(p[t - 1][v] / q[t - 1][v]);
      const auto largest = [](const std::vector<double>& row) {
        return std::max_element(row.begin(), row.end()) - row.begin();
      };
      same += largest(p[t - 1]) == largest(q[t - 1]) ? 1 : 0;
      ++compared;
    }
  }
  ASSERT_GT(compared, 0);
  EXPECT_EQ(d.compared, compared);
  EXPECT_EQ(d.masked, tokens - compared);
  EXPECT_GT(d.masked, 0);
  EXPECT_NEAR(d.kl.value, kl / static_cast<double>(compared), 1e-5);
  EXPECT_DOUBLE_EQ(d.top1_agreement.value, same / static_cast<double>(compared));
  EXPECT_NEAR(d.nll, nll / static_cast<double>(tokens), 1e-5);
  EXPECT_LE(d.kl.interval.low, d.kl.value);
  EXPECT_GE(d.kl.interval.high, d.kl.value);
}

TEST_F(Divergences, OfAModelFromItselfIsNothing) {
  Rng rng(1);
  const BaseStreams base(base_, compared_records(examples_, tokenizer_, {}), 4, "test", {});
  const Divergence d = base.compare(&base_, rng, {});
  EXPECT_NEAR(d.kl.value, 0, 1e-7);
  EXPECT_EQ(d.top1_agreement.value, 1);
  EXPECT_EQ(d.masked, 0);
  // Without running it again.
  Rng again(1);
  const Divergence own = base.compare(nullptr, again, {});
  EXPECT_EQ(own.kl.value, 0);
  EXPECT_EQ(own.nll, d.nll);
}

TEST_F(Divergences, DoNotDependOnTheBatch) {
  const auto at_batch = [&](int64_t batch) {
    Rng rng(1);
    return BaseStreams(base_, compared_records(examples_, tokenizer_, {}), batch, "test", {}).compare(&tuned_, rng, {});
  };
  EXPECT_NEAR(at_batch(1).kl.value, at_batch(7).kl.value, 1e-6);
  EXPECT_EQ(at_batch(1).compared, at_batch(7).compared);
}

TEST_F(Divergences, OfATextAreOfItsWindows) {
  EncodedText text;
  for (int64_t i = 0; i < 30; ++i) text.ids.push_back(i % base_.architecture().vocab);
  text.bytes = 30;
  Rng rng(1);
  const BaseStreams base(base_, compared_text(base_.architecture(), text, 8, tokenizer_, {}), 2, "test", {});
  const Divergence d = base.compare(&tuned_, rng, {});
  EXPECT_EQ(d.compared, 29);
  EXPECT_NEAR(d.nll, evaluate_text(tuned_, text, 8, 2).nll, 1e-5);
}

TEST_F(Divergences, RefuseWhatCannotBeCompared) {
  for (Example& e : examples_) {
    e.readouts.clear();
    for (int64_t t = 1; t < static_cast<int64_t>(e.ids.size()); ++t) e.readouts.push_back({t, {1}, {2}, ""});
  }
  MaskSpec mask;
  mask.readouts = true;
  EXPECT_THROW(BaseStreams(base_, compared_records(examples_, tokenizer_, mask), 4, "test", {}), Error);
  Architecture other = tiny_architecture("gpt2");
  other.vocab = 14;
  EXPECT_THROW(check_comparable(base_, Model::random(other, 0.3, 1, {}), "test"), Error);
}

}  // namespace
}  // namespace circuit
