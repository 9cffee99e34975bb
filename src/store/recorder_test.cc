#include "store/recorder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "graph/overlap.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

Architecture tiny() {
  Architecture a;
  a.family = "gpt2";
  a.n_layers = 2;
  a.n_heads = a.n_kv_heads = 2;
  return a;
}

class Store : public testing::Test {
 protected:
  void SetUp() override {
    path_ = (fs::temp_directory_path() / ("circuit-recorder-" + std::to_string(getpid()) + ".db")).string();
    fs::remove(path_);
    Recorder::create(path_, graph_, {{"m0", "h.0.mlp.c_fc.weight", 1, 0, 12, 96}}, {{"method", "circuit"}});
  }
  void TearDown() override {
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path_ + suffix);
  }
  void discover(Recorder& recorder, int64_t step, const Circuit& circuit) {
    EdgeScores scores;
    for (int64_t i = 0; i < graph_.n_edges(); ++i) scores.values.push_back(static_cast<float>(step + 1) * 0.5F * i);
    recorder.discovery({step, scores, circuit, 1.5, 4, 0.0, 0.1}, 96, 200);
    recorder.step({step, 2.0, 1.5, 0.1, 10, 96, {1.0, {0}, {0.5}, {0.25}}, 0.1});
  }
  int64_t count(const std::string& sql) {
    Database db(path_, Database::Mode::kReadOnly);
    Statement s = db.prepare(sql);
    s.step();
    return s.integer(0);
  }
  std::string path_;
  Graph graph_{tiny(), KeyValueNodes::kGrouped};
};

TEST_F(Store, KeepsScoresInEdgeOrderAndCircuits) {
  {
    Recorder recorder(path_, graph_, 0);
    discover(recorder, 0, {{1, 3}});
    discover(recorder, 5, {{3, 4}});
  }
  Database db(path_, Database::Mode::kReadOnly);
  Statement row = db.prepare(
      "SELECT scores, jaccard_edges_previous, entered, left, trainable_share FROM discoveries "
      "WHERE step = 5");
  ASSERT_TRUE(row.step());
  const std::string blob = row.blob(0);
  ASSERT_EQ(blob.size(), static_cast<size_t>(graph_.n_edges()) * 4);
  float third = 0;
  std::memcpy(&third, blob.data() + 12, 4);
  EXPECT_EQ(third, 9.0F);
  EXPECT_NEAR(row.real(1), 1.0 / 3, 1e-12);
  EXPECT_EQ(row.integer(2), 1);
  EXPECT_EQ(row.integer(3), 1);
  EXPECT_NEAR(row.real(4), 0.48, 1e-12);
  EXPECT_EQ(count("SELECT count(*) FROM edges"), graph_.n_edges());
  EXPECT_EQ(count("SELECT count(*) FROM circuit_edges WHERE step = 0"), 2);
}

TEST_F(Store, ResumingDropsWhatLiesBeyondTheCheckpoint) {
  {
    Recorder recorder(path_, graph_, 0);
    for (const int64_t step : {0, 1, 2, 3}) {
      discover(recorder, step, {{step, 9}});
      recorder.evaluation(step + 1, {{"dev/metric", 1.0}});
    }
  }
  Recorder resumed(path_, graph_, 2);
  EXPECT_EQ(count("SELECT max(step) FROM steps"), 1);
  EXPECT_EQ(count("SELECT max(step) FROM discoveries"), 1);
  EXPECT_EQ(count("SELECT max(step) FROM evaluations"), 2);
  EXPECT_EQ(count("SELECT count(*) FROM slice_norms"), 2);
  ASSERT_TRUE(resumed.last_circuit().has_value());
  EXPECT_EQ(resumed.last_circuit()->edges, (std::vector<int64_t>{1, 9}));
}

std::string kept_steps(const std::string& path) {
  Database db(path, Database::Mode::kReadOnly);
  Statement rows = db.prepare("SELECT step FROM discoveries WHERE scores IS NOT NULL ORDER BY step");
  std::string steps;
  while (rows.step()) steps += rows.text(0) + " ";
  return steps;
}

TEST_F(Store, KeepsForACheckpointTheScoresBeforeItUntilTheNext) {
  Recorder recorder(path_, graph_, 0, {{ScoreRetention::Keep::kLast, 1, 1, 100}, {}});
  const auto checkpoint = [&] {
    recorder.before_checkpoint();
    recorder.after_checkpoint();
  };
  discover(recorder, 0, {{1}});
  discover(recorder, 1, {{2}});
  EXPECT_EQ(kept_steps(path_), "");
  checkpoint();
  EXPECT_EQ(kept_steps(path_), "1 ");
  checkpoint();  // with no discovery since
  discover(recorder, 2, {{3}});
  discover(recorder, 3, {{3}});
  EXPECT_EQ(kept_steps(path_), "1 ");
  recorder.before_checkpoint();
  EXPECT_EQ(kept_steps(path_), "1 3 ") << "the old checkpoint is there still";
  recorder.after_checkpoint();
  EXPECT_EQ(kept_steps(path_), "3 ");
}

TEST_F(Store, ResumedWithFewerScoresComparesAsIfItHadAll) {
  const ScoreRetention few{ScoreRetention::Keep::kLast, 1, 1, 100};
  const auto scores_of = [&](int64_t step) {
    EdgeScores scores;
    for (int64_t i = 0; i < graph_.n_edges(); ++i) scores.values.push_back(static_cast<float>((i * (step + 3)) % 17));
    return scores;
  };
  const auto record = [&](Recorder& recorder, int64_t step) {
    const EdgeScores scores = scores_of(step);
    const Circuit circuit{{step}};
    recorder.discovery({step, scores, circuit, 1.5, 4, 0.0, 0.1}, 96, 200);
  };
  {
    Recorder recorder(path_, graph_, 0, {few, {}});
    for (const int64_t step : {0, 1}) record(recorder, step);
    recorder.before_checkpoint();
    recorder.after_checkpoint();
    for (const int64_t step : {2, 3}) record(recorder, step);
    recorder.before_checkpoint();  // and killed before the checkpoint was there
  }
  Recorder recorder(path_, graph_, 2, {few, {}});
  record(recorder, 2);
  Database db(path_, Database::Mode::kReadOnly);
  Statement row = db.prepare("SELECT rank_correlation_previous FROM discoveries WHERE step = 2");
  ASSERT_TRUE(row.step());
  EXPECT_EQ(row.real(0), rank_correlation(scores_of(1).values, scores_of(2).values));
}

TEST_F(Store, WhatAKillLeftForAnEarlierCheckpointIsDropped) {
  const ScoreRetention few{ScoreRetention::Keep::kLast, 1, 1, 100};
  {
    Recorder recorder(path_, graph_, 0, {few, {}});
    discover(recorder, 0, {{1}});
    recorder.before_checkpoint();
    recorder.after_checkpoint();
    discover(recorder, 1, {{1}});
    recorder.before_checkpoint();  // the checkpoint was written, what follows it was not
  }
  Recorder recorder(path_, graph_, 2, {few, {}});
  EXPECT_EQ(kept_steps(path_), "1 ");
}

TEST_F(Store, IsOneFileWhenTheRunIsOver) {
  { Recorder recorder(path_, graph_, 0); }
  EXPECT_FALSE(fs::exists(path_ + "-wal"));
  EXPECT_EQ(count("SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'delete'"), 1);
}

TEST_F(Store, AReaderNeitherWaitsNorMakesTheWriterWait) {
  Recorder recorder(path_, graph_, 0);
  discover(recorder, 0, {{1}});
  Database reader(path_, Database::Mode::kReadOnly);
  const Transaction snapshot(reader);
  const auto steps = [&] {
    Statement row = reader.prepare("SELECT count(*) FROM discoveries");
    row.step();
    return row.integer(0);
  };
  EXPECT_EQ(steps(), 1);
  discover(recorder, 1, {{2}});  // would fail after kBusyMilliseconds
  EXPECT_EQ(steps(), 1) << "a snapshot stays as it was";
  EXPECT_EQ(count("SELECT count(*) FROM discoveries"), 2);
}

}  // namespace
}  // namespace circuit
