// circuit analyse: a run end to end; what the analyses say is tested in src/dynamics.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "io/files.h"
#include "io/json.h"
#include "tests/refusal.h"
#include "tests/tiny_run.h"

namespace circuit {
namespace {

using testing::HasSubstr;

class Analyse : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(run_program(runs_.tune("run")).exit_code, 0); }
  std::string run() const { return runs_.run("run"); }
  Json analyse(const Arguments& more = {}) const {
    Arguments arguments{"analyse", run(), "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramResult result = run_quiet(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return parse_json(result.out, "analyse");
  }
  TinyRuns runs_{{"llama"},
                 {"tuning.steps=30", "selection.n=12", "tuning.batch=2", "optimizer.lr=0.05", "optimizer.kind=adamw",
                  "discovery.every=2", "discovery.ablation=mean", "evaluation.every=10", "evaluation.keep=all",
                  "evaluation.circuit_records=4"}};
};

TEST_F(Analyse, SaysSomethingOfEveryAnalysis) {
  const Json all = analyse();
  ASSERT_EQ(all.size(), 13U);
  for (const Json& each : all) {
    EXPECT_FALSE(each["findings"].empty()) << each["analysis"];
    EXPECT_THAT(each["findings"][0].get<std::string>(), testing::Not(HasSubstr("Not done"))) << each["analysis"];
    for (const Json& table : each["tables"]) {
      for (const Json& row : table["rows"]) ASSERT_EQ(row.size(), table["columns"].size()) << table["name"];
    }
  }
}

TEST_F(Analyse, ParameterChangeIsWhatTheExportedModelHolds) {
  ASSERT_EQ(run_quiet({"export", run(), "--step", "30", "-o", runs_.run("out")}).exit_code, 0);
  const ProgramResult diff = run_quiet({"diff", runs_.model(), runs_.run("out"), "--json"});
  std::map<std::string, double> expected;
  const Json changes = parse_json(diff.out, "diff");
  for (const Json& node : changes["nodes"]) expected[node["node"]] = node["change_norm"];
  std::map<std::string, double> found;
  const Json result = analyse({"--only", "parameter-change"});
  for (const Json& row : result[0]["tables"][0]["rows"]) {
    double& norm = found[row[0]];
    norm = std::hypot(norm, row[4].get<double>());
  }
  ASSERT_EQ(found.size(), expected.size());
  constexpr double kPrinted = 1e-5;  // float32 differences
  for (const auto& [node, norm] : expected) EXPECT_NEAR(found[node], norm, kPrinted * (1 + norm)) << node;
}

TEST_F(Analyse, LooksAtTheCheckpointsThatAreThere) {
  const Json result = analyse({"--only", "faithfulness"});
  std::vector<int64_t> steps;
  for (const Json& row : result[0]["tables"][0]["rows"]) steps.push_back(row[0]);
  EXPECT_EQ(steps, (std::vector<int64_t>{0, 10, 20, 30}));
  const Json ends = analyse({"--only", "direct-logit", "--states", "2"});
  EXPECT_EQ(ends[0]["tables"][0]["columns"], (Json{"node", "step_0", "step_30", "change"}));
}

TEST_F(Analyse, WritesTablesAndJson) {
  ASSERT_EQ(run_quiet({"analyse", run(), "--only", "overlap,trends", "--out", runs_.run("out")}).exit_code, 0);
  EXPECT_THAT(read_file(runs_.run("out") + "/overlap.csv"), testing::StartsWith("step,edges,previous,"));
  EXPECT_EQ(read_json(runs_.run("out") + "/trends.json")["analysis"], "trends");
}

TEST_F(Analyse, SaysThatItWorksInFloat32) {
  const ProgramResult result = run_quiet({"analyse", run(), "--only", "parameter-change", "--dtype", "bf16"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("--dtype bf16 is not followed"));
}

TEST_F(Analyse, RefusesWhatItCannotSay) {
  expect_refused(runs_.scratch(), {"analyse", run(), "--only", "trend"}, {"'trend'", "trends"}, kWrongUse);
  expect_refused(runs_.scratch(), {"analyse", runs_.run("none")}, {"run.db", "there is no such file"});
  ASSERT_EQ(run_program(runs_.tune("full", {"tuning.method=full", "tuning.steps=2"})).exit_code, 0);
  expect_refused(runs_.scratch(), {"analyse", runs_.run("full")}, {"no discovery"});
}

TEST_F(Analyse, EvaluationsRecordTheCircuitsQuality) {
  EXPECT_EQ(query(run(), "SELECT count(*) FROM evaluations WHERE name = 'dev/faithfulness'"),
            query(run(), "SELECT count(*) FROM evaluations WHERE name = 'dev/completeness_gap'"));
  EXPECT_LE(query(run(), "SELECT count(*) FROM evaluations WHERE name = 'dev/faithfulness'"), 3);
}

}  // namespace
}  // namespace circuit
