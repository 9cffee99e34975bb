// A sweep: its grid as runs, resumed, refused and failed, and the numbers it says of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "io/files.h"
#include "io/json.h"
#include "tests/refusal.h"
#include "tests/tiny_run.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const Settings kTiny{"tuning.batch=2", "tuning.steps=6", "evaluation.every=2", "optimizer.kind=sgd",
                     "optimizer.lr=0.05"};

Arguments sweep(const TinyRuns& runs, const std::vector<std::string>& grid, const Settings& settings = kTiny) {
  Arguments arguments{"sweep", runs.scratch() / "tune.toml", "-o", runs.run("sweep")};
  for (const std::string& axis : grid) arguments.insert(arguments.end(), {"--grid", axis});
  for (const std::string& assignment : settings) arguments.insert(arguments.end(), {"--set", assignment});
  return arguments;
}

Arguments with(Arguments arguments, const Arguments& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

const std::vector<std::string> kGrid{"selection.n=4,12", "tuning.seed=0,1"};

std::string status_of(const TinyRuns& runs, size_t run) {
  return read_json(runs.run("sweep") + "/sweep.json").at("runs").at(run).at("status");
}

// ‖W − W₀‖ from the bytes of two directories' model.safetensors, all tensors F32.
double change_between(const std::string& a, const std::string& b) {
  const std::string x = read_file(a + "/model.safetensors");
  const std::string y = read_file(b + "/model.safetensors");
  uint64_t header = 0;
  std::memcpy(&header, x.data(), sizeof header);
  double squares = 0;
  for (size_t at = sizeof header + header; at + sizeof(float) <= x.size(); at += sizeof(float)) {
    float p = 0, q = 0;
    std::memcpy(&p, x.data() + at, sizeof p);
    std::memcpy(&q, y.data() + at, sizeof q);
    squares += (static_cast<double>(p) - q) * (static_cast<double>(p) - q);
  }
  return std::sqrt(squares);
}

constexpr double kNorm = 1e-6;  // relative: both sum float64 squares of float32 values
constexpr double kRounding = 1e-12;

TEST(Sweep, RunsEveryCellAsTuneDoesAndTabulates) {
  const TinyRuns runs({}, kTiny);
  const ProgramResult result = run_quiet(with(sweep(runs, kGrid), {"--json"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  ASSERT_EQ(run_program(runs.tune("alone", {"selection.n=12", "tuning.seed=1"})).exit_code, 0);
  const std::string cell = runs.run("sweep") + "/n-12_seed-1";
  EXPECT_EQ(rows_of(cell), rows_of(runs.run("alone")));
  EXPECT_TRUE(checkpoints_of(cell) == checkpoints_of(runs.run("alone")));

  const Json json = Json::parse(result.out);
  ASSERT_EQ(json["runs"].size(), 4U);
  ASSERT_EQ(json["conditions"].size(), 2U);
  EXPECT_EQ(json["target"], "test/metric");
  EXPECT_EQ(json["cost"], "change_norm") << "there is no untouched text";
  const auto metric = [&](size_t run) { return json["runs"][run]["after"]["test/metric"].get<double>(); };
  const Json mean = json["conditions"][1]["after"]["test/metric"];
  EXPECT_NEAR(mean["mean"].get<double>(), (metric(2) + metric(3)) / 2, kRounding);
  // t(1) at 95 % is 12.7062; s / √2 is half the distance of two values.
  constexpr double kTableDigits = 1e-5;
  const double half = 12.7062 * std::abs(metric(2) - metric(3)) / 2;
  EXPECT_NEAR(mean["high"].get<double>() - mean["mean"].get<double>(), half, kTableDigits * half);

  ASSERT_EQ(run_quiet({"export", cell, "-o", runs.run("out")}).exit_code, 0);
  const double norm = json["runs"][3]["after"]["change_norm"].get<double>();
  EXPECT_GT(norm, 0);
  EXPECT_NEAR(norm, change_between(runs.model(), runs.run("out")), kNorm * norm);

  const std::string csv = read_file(runs.run("sweep") + "/sweep.csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 5);
  const std::string page = read_file(runs.run("sweep") + "/sweep.html");
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, HasSubstr("id=\"scatter\""));
}

TEST(Sweep, TheSameCommandAgainRunsNothingAndMoreValuesOnlyThose) {
  const TinyRuns runs({}, kTiny);
  ASSERT_EQ(run_quiet(sweep(runs, {"selection.n=4", "tuning.seed=0"})).exit_code, 0);
  const std::string first = runs.run("sweep") + "/n-4_seed-0";
  const auto before = snapshot(first);
  ASSERT_EQ(run_quiet(sweep(runs, {"selection.n=4", "tuning.seed=0"})).exit_code, 0);
  ASSERT_EQ(run_quiet(sweep(runs, {"selection.n=4", "tuning.seed=0,1"})).exit_code, 0);
  EXPECT_TRUE(snapshot(first) == before);
  EXPECT_EQ(status_of(runs, 1), "finished");
  // A smaller grid keeps what there is.
  const ProgramResult less = run_quiet(with(sweep(runs, {"selection.n=4", "tuning.seed=1"}), {"--json"}));
  EXPECT_EQ(Json::parse(less.out)["runs"].size(), 2U);
  fs::remove_all(first);
  ASSERT_EQ(run_quiet(sweep(runs, {"selection.n=4", "tuning.seed=0"})).exit_code, 0);
  EXPECT_EQ(query(first, "SELECT count(*) FROM steps"), 6) << "a run that was removed is run again";
}

class EndedSweep : public testing::TestWithParam<int> {};

TEST_P(EndedSweep, GoesOnAsIfItHadNeverEnded) {
  Settings longer = kTiny;
  longer.emplace_back("tuning.steps=60");
  const TinyRuns runs({}, longer);
  const std::string second = runs.run("sweep") + "/n-4_seed-1";
  {
    Program program(quiet(sweep(runs, kGrid, longer)));
    ASSERT_TRUE(program.wait_until({runs.scratch().path(), runs.run("sweep"), second, second + "/checkpoints"},
                                   [&] { return query(second, "SELECT max(step) FROM steps") >= 5; }));
    program.send(GetParam());
    const ProgramResult ended = program.wait();
    if (GetParam() == SIGINT) {
      EXPECT_EQ(ended.exit_code, kFailure);
      EXPECT_THAT(ended.err, HasSubstr("stopped in n-4_seed-1"));
      EXPECT_EQ(ended.error_lines.size(), 1U) << ended.err;
    }
  }
  EXPECT_EQ(status_of(runs, 0), "finished");
  EXPECT_EQ(status_of(runs, 1), GetParam() == SIGINT ? "stopped" : "running");
  EXPECT_EQ(status_of(runs, 2), "waiting");
  const ProgramResult rest = run_quiet(sweep(runs, kGrid, longer));
  ASSERT_EQ(rest.exit_code, 0) << rest.err;
  ASSERT_EQ(run_program(runs.tune("alone", {"selection.n=4", "tuning.seed=1"})).exit_code, 0);
  EXPECT_EQ(rows_of(second), rows_of(runs.run("alone")));
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(status_of(runs, i), "finished") << i;
}

INSTANTIATE_TEST_SUITE_P(Signals, EndedSweep, testing::Values(SIGINT, SIGKILL),
                         [](const auto& each) { return each.param == SIGINT ? "Interrupted" : "Killed"; });

TEST(Sweep, AFailedRunIsRecordedAndTheOthersGoOn) {
  const TinyRuns runs({}, kTiny);
  Settings wild = kTiny;
  for (const char* s : {"optimizer.clip=0", "optimizer.weight_decay=1", "tuning.steps=40"}) wild.emplace_back(s);
  const ProgramResult result = run_quiet(sweep(runs, {"optimizer.lr=1000,0.01"}, {wild.begin(), wild.end()}));
  EXPECT_EQ(result.exit_code, kWrongUse) << "kTiny sets optimizer.lr, which the grid varies";
  wild.erase(std::remove(wild.begin(), wild.end(), "optimizer.lr=0.05"), wild.end());
  const ProgramResult ended = run_quiet(sweep(runs, {"optimizer.lr=1000,0.01"}, wild));
  EXPECT_EQ(ended.exit_code, kFailure);
  EXPECT_THAT(ended.err, HasSubstr("1 of 2 runs failed; lr-1000.0: "));
  EXPECT_EQ(status_of(runs, 0), "failed");
  EXPECT_EQ(status_of(runs, 1), "finished");
  const Json failed = read_json(runs.run("sweep") + "/sweep.json")["runs"][0];
  EXPECT_THAT(failed["reason"].get<std::string>(), HasSubstr("not finite"));
  EXPECT_THAT(ended.out, HasSubstr("0 of 1"));
}

TEST(Sweep, UnknownKeysAndValuesAreRefusedBeforeAnythingRuns) {
  const TinyRuns runs({}, kTiny);
  const auto refused = [&](const std::vector<std::string>& grid, const std::vector<std::string>& words, int code) {
    expect_refused(runs.scratch(), sweep(runs, grid), words, code);
  };
  refused({"selection.m=1,2"}, {"--grid", "selection.m", "selection.n"}, kFailure);
  refused({"selection.n=1,many"}, {"--grid", "selection.n", "many"}, kFailure);
  refused({"tuning.method=circuit,magic"}, {"tuning.method", "magic"}, kFailure);
  refused({"selection.n=1,,2"}, {"--grid", "empty"}, kWrongUse);
  refused({"selection.n=1,2", "selection.n=3"}, {"twice"}, kWrongUse);
  refused({"selection.n=2,2"}, {"twice"}, kWrongUse);
  refused({"optimizer.clip=1,1.0"}, {"twice"}, kWrongUse);
  refused({"run.path=a,b"}, {"run.path"}, kWrongUse);
  refused({"tuning.steps=1,2"}, {"--set", "tuning.steps"}, kWrongUse);
  refused({"data.train=nowhere.jsonl"}, {"data.train", "nowhere.jsonl"}, kFailure);
  refused({"tuning.method=circuit,random", "selection.kind=threshold"}, {"tuning.method random"}, kFailure);
  expect_refused(runs.scratch(), with(sweep(runs, kGrid), {"--cost", "untouched/perplexity"}),
                 {"--cost", "untouched/perplexity"});
  expect_refused(runs.scratch(), with(sweep(runs, kGrid), {"--target", "ability/occupations/signed_bias"}),
                 {"prejudice_risk"});
}

TEST(Sweep, DryRunListsTheRunsAndWritesNothing) {
  const TinyRuns runs({}, kTiny);
  const auto before = snapshot(runs.scratch().path());
  const ProgramResult result = run_quiet(with(sweep(runs, kGrid), {"--dry-run"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("n-12_seed-1"));
  EXPECT_THAT(result.out, HasSubstr("4 runs, 4 of them to do"));
  EXPECT_TRUE(snapshot(runs.scratch().path()) == before);
}

TEST(Sweep, AChangedConfigurationIsRefusedNamingTheKey) {
  const TinyRuns runs({}, kTiny);
  const std::vector<std::string> grid{"selection.n=4"};
  ASSERT_EQ(run_quiet(sweep(runs, grid)).exit_code, 0);
  Settings changed = kTiny;
  changed.emplace_back("optimizer.momentum=0.5");
  expect_refused(runs.scratch(), sweep(runs, grid, changed), {"optimizer.momentum", "0.9", "0.5"});
  expect_refused(runs.scratch(), sweep(runs, {"tuning.seed=0"}), {"selection.n", "tuning.seed"});
  expect_refused(runs.scratch(), with(sweep(runs, grid), {"--dtype", "bf16"}), {"--dtype", "f32"});
  expect_refused(runs.scratch(), with(sweep(runs, grid), {"--target", "test/metrik"}), {"test/metrik", "test/metric"});
  fs::create_directories(runs.run("sweep") + "/n-12");
  expect_refused(runs.scratch(), sweep(runs, {"selection.n=4,12"}), {"n-12", "no run of this sweep"});
}

}  // namespace
}  // namespace circuit
