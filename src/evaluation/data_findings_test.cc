#include "evaluation/data_findings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace circuit {
namespace {

using testing::HasSubstr;

Estimate estimate_of(double value, double low, double high) { return {value, {low, high}}; }

// 100 pairs that are all that can be wished.
DataCheck fit_data() {
  DataCheck c;
  c.metric = "logit_diff";
  c.records.resize(100);
  for (CheckedRecord& r : c.records) {
    r.clean = 2;
    r.counterfactual = -1;
    r.tokens = 10;
    r.differing = {3};
    r.is_read = true;
  }
  c.readouts = 100;
  c.accuracy = estimate_of(0.9, 0.85, 0.95);
  c.clean = estimate_of(2, 1.9, 2.1);
  c.counterfactual = estimate_of(-1, -1.1, -0.9);
  c.difference = estimate_of(3, 2.9, 3.1);
  c.lowered = c.flipped = estimate_of(0.95, 0.9, 1);
  c.share_differing = 0.1;
  c.commonest = 0.5;
  c.half_width = 0.033;
  c.needed = 12;
  return c;
}

DataFinding finding(const DataCheck& check, const std::string& name) {
  const std::vector<DataFinding> all = findings_of(check);
  const auto found = std::find_if(all.begin(), all.end(), [&](const DataFinding& f) { return f.name == name; });
  return found == all.end() ? DataFinding{"no finding of that name", false, "", ""} : *found;
}

void expect_warning(const DataCheck& check, const std::string& name, const std::string& found,
                    const std::string& advice) {
  const DataFinding f = finding(check, name);
  EXPECT_FALSE(f.passes) << name;
  EXPECT_THAT(f.found, HasSubstr(found));
  EXPECT_THAT(f.advice, HasSubstr(advice));
  // No other check warns of the same.
  for (const DataFinding& other : findings_of(check)) EXPECT_TRUE(other.passes || other.name == name) << other.name;
}

TEST(DataFindings, NothingIsSaidOfFitData) {
  for (const DataFinding& f : findings_of(fit_data())) {
    EXPECT_TRUE(f.passes) << f.name;
    EXPECT_EQ(f.advice, "");
    EXPECT_NE(f.found, "");
  }
}

TEST(DataFindings, AModelThatIsSeldomRight) {
  DataCheck c = fit_data();
  c.accuracy = estimate_of(0.54, 0.48, 0.60);
  expect_warning(c, "accuracy", "right on 54 % (48 to 60)", "keep right");
  c.clean = estimate_of(-1, -2, 0);
  expect_warning(c, "accuracy", "does not have the behaviour", "easier records");
}

TEST(DataFindings, CounterfactualsThatDoNotCount) {
  DataCheck c = fit_data();
  c.lowered = estimate_of(0.5, 0.4, 0.6);
  expect_warning(c, "counterfactual", "on 50 % (40 to 60) of the pairs", "keep flips");
  c = fit_data();
  c.difference = estimate_of(0.1, -0.1, 0.3);
  expect_warning(c, "counterfactual", "not what the model answers by", "words that decide");
  c = fit_data();
  c.unequal = 2;
  expect_warning(c, "counterfactual", "2 one of another length", "as many tokens");
  c = fit_data();
  c.without_counterfactual = 100;
  c.counterfactual = c.difference = c.lowered = c.flipped = std::nullopt;
  expect_warning(c, "counterfactual", "only mean and zero ablation", "circuit pairs make");
}

TEST(DataFindings, PairsThatDoNotDifferWhereTheyShould) {
  DataCheck c = fit_data();
  c.unchanged = 3;
  expect_warning(c, "pairs", "3 counterfactuals are their text", "take those out");
  c = fit_data();
  c.unread = 1;
  expect_warning(c, "pairs", "1 pairs differ only behind what is read", "take those out");
  c = fit_data();
  c.share_differing = 0.7;
  expect_warning(c, "pairs", "70 % of a text", "fewer words");
}

TEST(DataFindings, TooFewForTheInterval) {
  DataCheck c = fit_data();
  c.half_width = 0.25;
  c.needed = 625;
  expect_warning(c, "records", "reaches 25 % of it", "about 625 such records bring it to 10 %");
  c = fit_data();
  c.records.resize(8);
  expect_warning(c, "records", "8 records", "20 or more");
}

TEST(DataFindings, RepeatsAndOneAnswer) {
  DataCheck c = fit_data();
  c.repeated = 4;
  expect_warning(c, "repeats", "4 records are the same", "take them out");
  c = fit_data();
  c.commonest = 1;
  expect_warning(c, "answers", "100 % of the readouts", "the other one");
  c.readouts = 4;
  EXPECT_TRUE(finding(c, "answers").passes);
}

TEST(DataFindings, ACircuitIsDoubtedInOneLine) {
  EXPECT_EQ(doubts_about("logit_diff", 1, kFewRecords), "");
  EXPECT_THAT(doubts_about("logit_diff", -0.5, 100),
              AllOf(HasSubstr("-0.5"), HasSubstr("wrong answers"), HasSubstr("pairs check")));
  EXPECT_THAT(doubts_about("logit_diff", 1, 1), HasSubstr("1 record is few"));
  EXPECT_THAT(doubts_about("prob_diff", -1, 3), AllOf(HasSubstr("wrong answers"), HasSubstr("3 records are few")));
  // Below zero whatever the model does.
  EXPECT_EQ(doubts_about("log_prob", -3, 100), "");
}

}  // namespace
}  // namespace circuit
