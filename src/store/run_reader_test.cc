#include "store/run_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>

#include "core/error.h"
#include "store/discovery_cursor.h"
#include "store/recorder.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

class Rows : public testing::Test {
 protected:
  void SetUp() override {
    run_ = (fs::temp_directory_path() / ("circuit-rows-" + std::to_string(getpid()))).string();
    fs::remove_all(run_);
    fs::create_directories(run_);
    Architecture shape;
    shape.n_layers = 1;
    shape.n_heads = shape.n_kv_heads = 1;
    graph_.emplace(shape, KeyValueNodes::kGrouped);
    Recorder::create(store_path(run_), *graph_,
                     {{"m0", "a", 0, 0, 2, 10}, {"m0", "b", 0, 0, 2, 20}, {"a0.h0", "c", 0, 0, 2, 40}},
                     {{"status", "running"}});
    recorder_.emplace(store_path(run_), *graph_, 0, RecorderSpec{{ScoreRetention::Keep::kEvery, 2, 5, 100}, {}});
    for (const int64_t step : {0, 5}) {
      EdgeScores scores;
      for (int64_t e = 0; e < graph_->n_edges(); ++e) scores.values.push_back(static_cast<float>(e + step));
      const Circuit circuit{{step == 0 ? 1 : 2, 3}};
      recorder_->discovery({step, scores, circuit, 1.5, 4, 0.25, 0.5}, 30, 120);
      recorder_->step({step, 2.0, 1.5, 0.1, 10, 30, {1.0, {0, 2}, {0.5, 0.5}, {0.25, 0.75}}, 0.125});
    }
    recorder_->step({6, 1.0, kNone, 0.1, 10, 30, {1.0, {}, {}, {}}, 0.125});
    recorder_->evaluation(7, {{"dev/metric", kNone}, {"dev/accuracy", std::numeric_limits<double>::infinity()}});
  }
  void TearDown() override {
    recorder_.reset();
    fs::remove_all(run_);
  }
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  std::string run_;
  std::optional<Graph> graph_;
  std::optional<Recorder> recorder_;
};

TEST_F(Rows, AreWhatWasRecorded) {
  RunReader run(run_);
  EXPECT_NO_THROW(run.check_tables());
  EXPECT_EQ(run.meta("status"), "running");
  EXPECT_EQ(run.meta("summary"), std::nullopt);
  EXPECT_EQ(run.meta().size(), 2U) << "and the schema's version";
  EXPECT_EQ(run.counts().steps, 3);
  EXPECT_EQ(run.counts().discoveries, 2);
  EXPECT_EQ(run.counts().evaluations, 2);
  const std::vector<StepRow> steps = run.steps();
  ASSERT_EQ(steps.size(), 3U);
  EXPECT_EQ(steps[0].metric, 1.5);
  EXPECT_EQ(steps[2].metric, std::nullopt);
  EXPECT_EQ(steps[2].step, 6);
  EXPECT_EQ(steps[1].gradient_norm, 1);
  EXPECT_EQ(steps[1].seconds, 0.125);
  const std::vector<DiscoveryRow> found = run.discoveries();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].jaccard_edges_previous, std::nullopt);
  EXPECT_EQ(found[0].entered, 2);
  EXPECT_EQ(found[1].jaccard_edges_previous, 1.0 / 3);
  EXPECT_EQ(found[1].left, 1);
  EXPECT_EQ(found[1].trainable_share, 0.25);
  EXPECT_EQ(found[1].sum_rule_error, 0.25);
  EXPECT_EQ(run.edges().size(), static_cast<size_t>(graph_->n_edges()));
  EXPECT_EQ(run.slices()[2].node, "a0.h0");
  EXPECT_EQ(run.trained_parameters(), 50);
  double path = 0;
  run.slice_norms([&](const SliceNormRow& row) { path += row.update_norm; });
  EXPECT_EQ(path, 2);
}

TEST_F(Rows, KeepNumbersThatAreNotFinite) {
  const std::vector<EvaluationRow> rows = RunReader(run_).evaluations();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].name, "dev/accuracy");
  EXPECT_TRUE(std::isinf(rows[0].value));
  EXPECT_TRUE(std::isnan(rows[1].value));
}

TEST_F(Rows, AreOfOneMoment) {
  RunReader run(run_);
  EXPECT_EQ(run.counts().evaluations, 2);
  recorder_->evaluation(7, {{"dev/perplexity", 2.0}});
  EXPECT_EQ(run.evaluations().size(), 2U);
  EXPECT_EQ(RunReader(run_).counts().evaluations, 3);
}

TEST_F(Rows, DiscoveriesComeInTurnWithTheirVectors) {
  RunReader run(run_);
  DiscoveryCursor cursor(run);
  std::vector<float> scores(graph_->n_edges()), strength(graph_->n_upstream());
  ASSERT_TRUE(cursor.go_to(0));
  ASSERT_TRUE(cursor.kept_scores());
  cursor.scores(scores.size(), scores.data());
  EXPECT_EQ(scores[3], 3);
  ASSERT_TRUE(cursor.go_to(1)) << "the first after it";
  EXPECT_FALSE(cursor.kept_scores());
  EXPECT_THAT(cursor.circuit(), testing::ElementsAre(std::pair(2, 7.0F), std::pair(3, 8.0F)));
  cursor.upstream_strength(strength.size(), strength.data());
  EXPECT_GT(*std::max_element(strength.begin(), strength.end()), 0);
  EXPECT_THROW(cursor.downstream_strength(1, strength.data()), Error);
  EXPECT_FALSE(cursor.go_to(6));
}

TEST_F(Rows, OfNoRunAreNone) {
  EXPECT_EQ(recorded_meta(run_ + "/nowhere", "status"), "");
  EXPECT_FALSE(has_store(run_ + "/nowhere"));
  EXPECT_THROW(require_store(run_ + "/nowhere"), Error);
}

}  // namespace
}  // namespace circuit
