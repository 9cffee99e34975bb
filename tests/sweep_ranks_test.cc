// A sweep that several processes work on: as one does, and as those do who are left when one dies.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <memory>

#include "io/files.h"
#include "io/json.h"
#include "tests/refusal.h"
#include "tests/tiny_run.h"
#include "tests/variables.h"

namespace circuit {
namespace {

using testing::HasSubstr;

constexpr const char* kCells[] = {"n-4_seed-0", "n-4_seed-1", "n-12_seed-0", "n-12_seed-1"};

Arguments shared_sweep(const TinyRuns& runs, const std::string& folder, const std::string& steps) {
  Arguments arguments{"sweep", runs.scratch() / "tune.toml", "-o", runs.run(folder), "--json"};
  for (const char* axis : {"selection.n=4,12", "tuning.seed=0,1"}) arguments.insert(arguments.end(), {"--grid", axis});
  for (const std::string& one :
       {std::string("tuning.batch=2"), "tuning.steps=" + steps, std::string("evaluation.every=2")})
    arguments.insert(arguments.end(), {"--set", one});
  return arguments;
}

std::unique_ptr<Program> started(const Arguments& arguments, int rank, int count) {
  const Variables launched({{"RANK", std::to_string(rank)}, {"WORLD_SIZE", std::to_string(count)}});
  return std::make_unique<Program>(quiet(arguments));
}

void expect_equal_runs(const TinyRuns& runs, const std::string& a, const std::string& b) {
  for (const char* cell : kCells) {
    SCOPED_TRACE(cell);
    EXPECT_EQ(rows_of(runs.run(a) + "/" + cell), rows_of(runs.run(b) + "/" + cell));
    EXPECT_TRUE(checkpoints_of(runs.run(a) + "/" + cell) == checkpoints_of(runs.run(b) + "/" + cell));
  }
}

TEST(SweepRanks, MakeWhatOneProcessMakes) {
  const TinyRuns runs({}, {});
  const ProgramResult alone = run_quiet(shared_sweep(runs, "alone", "6"));
  ASSERT_EQ(alone.exit_code, 0) << alone.err;
  std::vector<std::unique_ptr<Program>> ranks;
  for (const int rank : {2, 1, 0}) ranks.push_back(started(shared_sweep(runs, "shared", "6"), rank, 3));
  std::vector<ProgramResult> results;
  for (auto& rank : ranks) results.push_back(rank->wait());
  for (const ProgramResult& result : results) EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(results[0].out, "");
  EXPECT_EQ(results[1].out, "");
  expect_equal_runs(runs, "alone", "shared");
  Json expected = parse_json(alone.out, "alone");
  Json found = parse_json(results[2].out, "rank 0");
  for (Json* json : {&expected, &found}) {
    for (Json& run : (*json)["runs"]) {
      EXPECT_EQ(run["status"], "finished");
      run["after"].erase("seconds_per_step");
      run["after"].erase("peak_memory");
    }
  }
  EXPECT_EQ(found["runs"], expected["runs"]);
  EXPECT_FALSE(file_exists(runs.run("shared") + "/.claims"));
}

TEST(SweepRanks, OthersDoTheRunsOfOneThatDies) {
  const TinyRuns runs({}, {});
  ASSERT_EQ(run_quiet(shared_sweep(runs, "alone", "40")).exit_code, 0);
  // Rank 1 of two begins at the third run.
  const std::string third = runs.run("shared") + "/" + kCells[2];
  const auto dies = started(shared_sweep(runs, "shared", "40"), 1, 2);
  ASSERT_TRUE(dies->wait_until({runs.scratch().path(), runs.run("shared"), third, third + "/checkpoints"},
                               [&] { return file_exists(third + "/checkpoints/step-000002"); }));
  const auto lives = started(shared_sweep(runs, "shared", "40"), 0, 2);
  dies->send(SIGKILL);
  EXPECT_EQ(dies->wait().signal, SIGKILL);
  const ProgramResult result = lives->wait();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  expect_equal_runs(runs, "alone", "shared");
}

TEST(SweepRanks, ThatMeanNothingAreRefusedBeforeAnythingIsMade) {
  const TinyRuns runs({}, {});
  const Variables launched({{"RANK", "3"}, {"WORLD_SIZE", "2"}});
  expect_refused(runs.scratch(), shared_sweep(runs, "shared", "6"), {"[RANK]", "found '3'", "from 0 to 1"});
}

}  // namespace
}  // namespace circuit
