// circuit diff: what it says of two circuits and of two models.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/files.h"
#include "io/json.h"
#include "tests/refusal.h"
#include "tests/tiny_run.h"

namespace circuit {
namespace {

using testing::HasSubstr;

class Diff : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(run_program(runs_.tune("run")).exit_code, 0);
    ASSERT_EQ(run_quiet({"export", run(), "--step", "20", "-o", at("model-out")}).exit_code, 0);
  }
  std::string at(const std::string& name) const { return runs_.run(name); }
  std::string run() const { return at("run"); }
  Json diff(const std::string& a, const std::string& b) const {
    const ProgramResult result = run_quiet({"diff", a, b, "--json"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return parse_json(result.out, "diff");
  }
  int64_t edges_at(int64_t step) const {
    return query(run(), "SELECT n_edges FROM discoveries WHERE step = " + std::to_string(step));
  }
  TinyRuns runs_{{"llama"},
                 {"tuning.steps=20", "selection.n=12", "tuning.batch=2", "optimizer.lr=0.05", "optimizer.kind=adamw",
                  "discovery.every=5", "evaluation.every=10", "evaluation.keep=all"}};
};

TEST_F(Diff, OfTwoStepsCountsTheEdgesThatTheRunRecorded) {
  const Json d = diff(run() + ":0", run());
  const Json& edges = d["edges"];
  EXPECT_EQ(static_cast<int64_t>(edges["shared"].size() + edges["removed"].size()), edges_at(0));
  EXPECT_EQ(static_cast<int64_t>(edges["shared"].size() + edges["added"].size()), edges_at(15));
  EXPECT_GT(edges["added"].size(), 0U) << "the circuit never moved";
  const double shared = static_cast<double>(edges["shared"].size());
  const double either = shared + static_cast<double>(edges["removed"].size() + edges["added"].size());
  EXPECT_DOUBLE_EQ(d["jaccard_edges"].get<double>(), shared / either);
  EXPECT_EQ(query(run(), "SELECT count(*) FROM edges"), d["graph_edges"]);
}

TEST_F(Diff, AStepBetweenDiscoveriesIsThatOfTheCircuitTrainedThen) {
  const Json d = diff(run() + ":7", run() + ":5");
  EXPECT_EQ(d["jaccard_edges"], 1.0);
  EXPECT_EQ(d["rank_correlation"], 1.0);
  expect_refused(runs_.scratch(), {"diff", run() + ":21", run()}, {"step 21", "20"});
}

TEST_F(Diff, OfAStepWhoseScoresWereNotKeptNamesItsNeighbours) {
  const ProgramResult tuned =
      run_program(runs_.tune("few", {"run.keep_scores=every", "run.keep_every=3", "discovery.every=2"}));
  ASSERT_EQ(tuned.exit_code, 0) << tuned.err;
  EXPECT_EQ(run_quiet({"diff", at("few") + ":6", at("few")}).exit_code, 0);
  expect_refused(runs_.scratch(), {"diff", at("few") + ":5", at("few")},
                 {"few/run.db", "step 4", "were not kept (run.keep_scores)", "0, 6"});
}

TEST_F(Diff, OfFilesSharesKeysAndValuesWhereOneDoes) {
  for (const char* form : {"--compact", "--ungrouped"}) {
    ASSERT_EQ(run_quiet({"discover", runs_.model(), runs_.scratch() / "train.jsonl", "--top-edges", "100000", form,
                         "-o", at(form)})
                  .exit_code,
              0);
  }
  const Json d = diff(at("--compact"), at("--ungrouped"));
  constexpr double kRounding = 0.01;  // float32 sums in another order may swap scores that nearly tie
  EXPECT_NEAR(d["rank_correlation"].get<double>(), 1, kRounding);
}

TEST_F(Diff, DrawsWhatStayedLeftAndEntered) {
  ASSERT_EQ(run_quiet({"diff", run() + ":0", run(), "--svg", at("moved.svg")}).exit_code, 0);
  const std::string svg = read_file(at("moved.svg"));
  const Json edges = diff(run() + ":0", run())["edges"];
  EXPECT_THAT(svg, HasSubstr("in both (" + std::to_string(edges["shared"].size()) + ")"));
  EXPECT_THAT(svg, HasSubstr("only in A (" + std::to_string(edges["removed"].size()) + ")"));
  EXPECT_THAT(svg, HasSubstr("only in B (" + std::to_string(edges["added"].size()) + ")"));
}

TEST_F(Diff, OfModelsFindsTheNodesThatWereTrained) {
  const Json d = diff(runs_.model(), at("model-out"));
  EXPECT_GT(d["changed_elements"], 0);
  EXPECT_GT(d["identical_tensors"], 0);
  int64_t changed = 0;
  double last = std::numeric_limits<double>::infinity();
  for (const Json& node : d["nodes"]) {
    changed += node["changed"].get<int64_t>();
    EXPECT_EQ(query(run(), "SELECT count(*) > 0 FROM slices JOIN slice_norms ON slices.id = slice WHERE node = '" +
                               node["node"].get<std::string>() + "'"),
              1)
        << node;
    EXPECT_LE(node["relative"].get<double>(), last);
    last = node["relative"].get<double>();
    EXPECT_NEAR(node["relative"].get<double>(), node["change_norm"].get<double>() / node["norm"].get<double>(), 1e-12);
  }
  EXPECT_EQ(changed, d["changed_elements"]);
  const Json same = diff(runs_.model(), runs_.model());
  EXPECT_EQ(same["changed_elements"], 0);
  EXPECT_EQ(same["identical_tensors"], same["tensors"]);
  EXPECT_EQ(same["nodes"].size(), 0U);
}

TEST_F(Diff, RefusesWhatCannotBeCompared) {
  expect_refused(runs_.scratch(), {"diff", run(), runs_.model()}, {"compare two circuits or two models"});
  expect_refused(runs_.scratch(), {"diff", at("nowhere"), run()}, {"nowhere"});
  expect_refused(runs_.scratch(), {"diff", run(), at("run") + "/checkpoints"}, {"checkpoints"});
  write_tiny_model(at("other"), TinySpec{"gpt2"});
  expect_refused(runs_.scratch(), {"diff", runs_.model(), runs_.model(), "--svg", at("x.svg")}, {"--svg"}, kWrongUse);
}

}  // namespace
}  // namespace circuit
