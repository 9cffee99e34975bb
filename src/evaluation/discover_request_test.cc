// What the command line cannot even say, a caller of the library can: requests that contradict themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "evaluation/discover.h"

namespace circuit {
namespace {

using testing::HasSubstr;

std::string refusal(const DiscoverRequest& request) {
  try {
    discover(request);
  } catch (const UsageError& error) {
    return error.what();
  } catch (const Error& error) {
    return std::string("went on: ") + error.what();
  }
  return "nothing";
}

TEST(DiscoverRequest, ContradictionsAreFoundBeforeTheModelIs) {
  DiscoverRequest good;
  good.model = "nowhere";
  EXPECT_THAT(refusal(good), HasSubstr("went on"));

  DiscoverRequest r = good;
  r.stable = 0.9;
  EXPECT_THAT(refusal(r), AllOf(HasSubstr("stable"), HasSubstr("resamples"), Not(HasSubstr("went on"))));
  r.resamples = 3;
  EXPECT_THAT(refusal(r), HasSubstr("went on"));
  r.target.faithfulness = 0.9;
  EXPECT_THAT(refusal(r), AllOf(HasSubstr("stable"), HasSubstr("faithfulness"), Not(HasSubstr("went on"))));

  r = good;
  r.target.held_out = "held.jsonl";
  EXPECT_THAT(refusal(r), AllOf(HasSubstr("held"), HasSubstr("faithfulness"), Not(HasSubstr("went on"))));

  r = good;
  r.spans = true;
  r.resamples = 3;
  EXPECT_THAT(refusal(r), AllOf(HasSubstr("spans"), HasSubstr("resamples"), Not(HasSubstr("went on"))));
}

}  // namespace
}  // namespace circuit
