// Arms against a baseline, on numbers computed by hand.
#include "report/sweep_page/sweep_comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "report/sweep_page/sweep_page.h"

namespace circuit {
namespace {

using testing::HasSubstr;

// Costs of arms by learning rate and seed.
Sweep of_costs(const std::vector<std::tuple<std::string, std::string, std::vector<double>>>& arms) {
  Sweep sweep{"arms", {"tuning.method", "optimizer.lr", "tuning.seed"}, {}, "dev/metric", "untouched/kl"};
  for (const auto& [method, lr, costs] : arms) {
    for (size_t seed = 0; seed < costs.size(); ++seed) {
      SweepRun run;
      run.name = method + lr + std::to_string(seed);
      run.values = {method, lr, std::to_string(seed)};
      run.status = RunStatus::kFinished;
      if (!std::isnan(costs[seed])) run.after["untouched/kl"] = costs[seed];
      sweep.runs.push_back(run);
    }
  }
  return sweep;
}

ComparisonSpec against_lora() { return {"tuning.method=lora", {"optimizer.lr"}, "untouched/kl", 0.15}; }

const Arm& arm_of(const std::vector<Arm>& arms, const std::string& method) {
  for (const Arm& arm : arms) {
    if (arm.label == "tuning.method = " + method) return arm;
  }
  throw std::runtime_error("no arm " + method);
}

TEST(Arms, TakeTheBestOfWhatIsFree) {
  const auto arms = compare_arms(
      of_costs(
          {{"lora", "1", {2, 2, 2}}, {"lora", "2", {1, 1.1, 0.9}}, {"full", "1", {3, 3, 3}}, {"full", "2", {9, 9, 9}}}),
      against_lora());
  ASSERT_EQ(arms.size(), 2u);
  EXPECT_EQ(arms[0].label, "tuning.method = lora");
  EXPECT_EQ(arms[0].chosen, "optimizer.lr = 2");
  EXPECT_EQ(arms[0].pairs, 0);
  EXPECT_EQ(arms[1].chosen, "optimizer.lr = 1");
  EXPECT_NEAR(arms[1].value.mean, 3, 1e-12);
  // Geometric mean of 3/1, 3/1.1, 3/0.9.
  EXPECT_NEAR(arms[1].ratio, std::exp((std::log(3) + std::log(3 / 1.1) + std::log(3 / 0.9)) / 3), 1e-12);
  EXPECT_EQ(arms[1].verdict, Verdict::kMore);
}

// ln ratios 0.01, 0, −0.01: mean 0, s = 0.01, 95 % half width 4.3027 s / √3, 90 % 2.9200 s / √3.
TEST(Arms, AreEqualWithinAMarginByTwoOneSidedTests) {
  const std::vector<double> close{std::exp(0.01), 1, std::exp(-0.01)};
  const auto arms = compare_arms(of_costs({{"lora", "1", {1, 1, 1}}, {"full", "1", close}}), against_lora());
  const Arm& full = arm_of(arms, "full");
  EXPECT_EQ(full.verdict, Verdict::kEqual);
  EXPECT_NEAR(std::log(full.interval->high), 4.30265 * 0.01 / std::sqrt(3), 1e-6);
  ComparisonSpec narrow = against_lora();
  narrow.margin = 0.0169;  // ln 1.0169 = 0.01676 is below the 90 % half width, 0.01686
  EXPECT_EQ(arm_of(compare_arms(of_costs({{"lora", "1", {1, 1, 1}}, {"full", "1", close}}), narrow), "full").verdict,
            Verdict::kUnknown);
  narrow.margin = 0.0171;
  EXPECT_EQ(arm_of(compare_arms(of_costs({{"lora", "1", {1, 1, 1}}, {"full", "1", close}}), narrow), "full").verdict,
            Verdict::kEqual);
}

TEST(Arms, AreNotKnownWhereTheSeedsDisagree) {
  const auto arms =
      compare_arms(of_costs({{"lora", "1", {1, 1, 1}}, {"full", "1", {0.5, 1, 2}}, {"fixed", "1", {0.5, 0.51, 0.49}}}),
                   against_lora());
  EXPECT_EQ(arm_of(arms, "full").verdict, Verdict::kUnknown);
  EXPECT_EQ(arm_of(arms, "fixed").verdict, Verdict::kLess);
}

// A single pair says nothing of seeds; what never reached the target is counted, and preferred least.
TEST(Arms, SayWhatIsMissing) {
  const double none = std::nan("");
  const auto arms = compare_arms(
      of_costs({{"lora", "1", {1}}, {"full", "1", {0.1}}, {"fixed", "1", {0.2, none, 0.2}}, {"fixed", "2", {1, 1, 1}}}),
      against_lora());
  EXPECT_EQ(arm_of(arms, "full").pairs, 1);
  EXPECT_FALSE(arm_of(arms, "full").interval);
  EXPECT_EQ(arm_of(arms, "full").verdict, Verdict::kUnknown);
  EXPECT_EQ(arm_of(arms, "fixed").chosen, "optimizer.lr = 2");
  EXPECT_EQ(arm_of(arms, "fixed").missing, 0);
  EXPECT_THAT(comparison_table(arms, against_lora()), HasSubstr("not known"));
  EXPECT_TRUE(comparison_json(arms, against_lora())["arms"][0]["ratio"].is_null());
}

TEST(Arms, StandOnThePage) {
  const Sweep sweep = of_costs({{"lora", "1", {1, 1, 1}}, {"full", "1", {3, 3.1, 2.9}}});
  const std::string page = render_sweep(sweep, compare_arms(sweep, against_lora()), against_lora());
  EXPECT_THAT(page, HasSubstr("Each at its best, against tuning.method=lora"));
  EXPECT_THAT(page, HasSubstr(">more</td>"));
  EXPECT_THAT(render_sweep(sweep), testing::Not(HasSubstr("Each at its best")));
}

TEST(Arms, RefuseABaselineThatIsNone) {
  const Sweep sweep = of_costs({{"lora", "1", {1}}});
  const auto with = [](const std::string& baseline, const std::vector<std::string>& free, double margin) {
    return ComparisonSpec{baseline, free, "untouched/kl", margin};
  };
  EXPECT_THROW(compare_arms(sweep, with("tuning.method=full", {}, 0.15)), UsageError);
  EXPECT_THROW(compare_arms(sweep, with("tuning.steps=3", {}, 0.15)), UsageError);
  EXPECT_THROW(compare_arms(sweep, with("tuning.seed=0", {}, 0.15)), UsageError);
  EXPECT_THROW(compare_arms(sweep, with("optimizer.lr=1", {"optimizer.lr"}, 0.15)), UsageError);
  EXPECT_THROW(compare_arms(sweep, with("tuning.method=lora", {"nothing"}, 0.15)), UsageError);
  EXPECT_THROW(compare_arms(sweep, with("tuning.method=lora", {}, 0)), UsageError);
}

}  // namespace
}  // namespace circuit
