#include "core/ranks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "core/error.h"

namespace circuit {
namespace {

using Environment = std::map<std::string, std::string>;

Ranks of(const Environment& environment) {
  return ranks_of([&](const char* name) -> const char* {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

std::string refused(const Environment& environment) {
  try {
    of(environment);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Ranks, AreWhatTheLauncherSays) {
  EXPECT_EQ(of({}).count, 1);
  EXPECT_EQ(of({}).rank, 0);
  const std::vector<Environment> launchers{
      {{"RANK", "2"}, {"WORLD_SIZE", "3"}},
      {{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "3"}},
      {{"PMI_RANK", "2"}, {"PMI_SIZE", "3"}},
      {{"SLURM_PROCID", "2"}, {"SLURM_STEP_NUM_TASKS", "3"}, {"SLURM_NTASKS", "9"}},
      {{"SLURM_PROCID", "2"}, {"SLURM_NTASKS", "3"}}};
  for (const Environment& environment : launchers) {
    EXPECT_EQ(of(environment).rank, 2);
    EXPECT_EQ(of(environment).count, 3);
  }
  // A shell within an allocation.
  EXPECT_EQ(of({{"SLURM_NTASKS", "8"}}).count, 1);
  // A batch script without srun, and one of its steps.
  const Environment script{{"SLURM_JOB_ID", "7"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}};
  EXPECT_EQ(of(script).count, 1);
  Environment step = script;
  step["SLURM_STEP_ID"] = "0";
  EXPECT_EQ(of(step).count, 8);
  // torchrun below Slurm.
  EXPECT_EQ(of({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "9"}}).count, 2);
}

TEST(Ranks, ThatMeanNothingAreRefused) {
  using testing::HasSubstr;
  EXPECT_THAT(refused({{"RANK", "0"}}), HasSubstr("WORLD_SIZE"));
  EXPECT_THAT(refused({{"WORLD_SIZE", "2"}}), HasSubstr("[RANK]"));
  EXPECT_THAT(refused({{"RANK", "2"}, {"WORLD_SIZE", "2"}}), HasSubstr("from 0 to 1"));
  EXPECT_THAT(refused({{"RANK", "-1"}, {"WORLD_SIZE", "2"}}), HasSubstr("-1"));
  EXPECT_THAT(refused({{"RANK", "1x"}, {"WORLD_SIZE", "2"}}), HasSubstr("1x"));
  EXPECT_THAT(refused({{"RANK", "0"}, {"WORLD_SIZE", "0"}}), HasSubstr("[WORLD_SIZE]"));
  EXPECT_THAT(refused({{"PMI_RANK", ""}, {"PMI_SIZE", "2"}}), HasSubstr("[PMI_RANK]"));
}

}  // namespace
}  // namespace circuit
