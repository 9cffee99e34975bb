// A run that fails in the middle: one line, the last checkpoint whole, and the way on open.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <limits>

#include "io/files.h"
#include "io/safetensors.h"
#include "tests/refusal.h"
#include "tests/tiny_run.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

const Settings kFailingRun{"selection.n=12",      "tuning.batch=2",     "tuning.steps=40",  "evaluation.every=2",
                           "evaluation.keep=all", "optimizer.kind=sgd", "optimizer.lr=0.05"};

Settings diverging() {
  Settings settings = kFailingRun;
  for (const char* s : {"optimizer.lr=1000", "optimizer.clip=0", "optimizer.warmup=30", "optimizer.weight_decay=1"})
    settings.emplace_back(s);
  return settings;
}

// Every checkpoint can be read: exporting one reads all of its files.
void expect_checkpoints_whole(const TinyRuns& runs, const std::string& run) {
  int64_t checkpoints = 0;
  for (const auto& item : fs::directory_iterator(run + "/checkpoints")) {
    const std::string name = item.path().filename().string();
    ASSERT_EQ(name.find(".tmp-"), std::string::npos) << name;
    const std::string out = runs.run("out-" + name);
    const ProgramResult result =
        run_quiet({"export", run, "--step", std::to_string(std::stoll(name.substr(5))), "-o", out});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    fs::remove_all(out);
    if (++checkpoints == 3) break;  // half a second each
  }
  EXPECT_GT(checkpoints, 0);
}

// The scores of a discovery meet it first, or the loss, by the method.
class Divergence : public testing::TestWithParam<const char*> {};

TEST_P(Divergence, EndsWithOneLineAndTheLastCheckpointWhole) {
  const TinyRuns runs({}, diverging());
  const ProgramResult result = run_program(runs.tune("run", {std::string("tuning.method=") + GetParam()}));
  EXPECT_EQ(result.exit_code, kFailure);
  EXPECT_EQ(result.error_lines.size(), 1U) << result.err;
  EXPECT_THAT(result.err, testing::HasSubstr("not finite"));
  expect_checkpoints_whole(runs, runs.run("run"));
  // Going on from there meets the same step again, and says the same.
  const ProgramResult again = run_program(runs.resume("run"));
  EXPECT_EQ(again.err, result.err);
}

INSTANTIATE_TEST_SUITE_P(Methods, Divergence, testing::Values("circuit", "full"),
                         [](const auto& each) { return std::string(each.param); });

TEST(NotANumber, WeightsThatAreNotNumbersLeaveNoRunBehind) {
  const TinyRuns runs({}, kFailingRun);
  TinyModel model = make_tiny_model({});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::string& bytes = model.tensor("transformer.h.0.mlp.c_fc.weight").bytes;
  bytes.replace(0, sizeof nan, reinterpret_cast<const char*>(&nan), sizeof nan);
  write_tiny_model(runs.model(), model);
  const auto before = snapshot(runs.scratch().path());
  const ProgramResult result = run_program(runs.tune("run"));
  EXPECT_EQ(result.exit_code, kFailure);
  EXPECT_EQ(result.error_lines.size(), 1U) << result.err;
  EXPECT_THAT(result.err, testing::HasSubstr("not finite"));
  EXPECT_TRUE(snapshot(runs.scratch().path()) == before);
}

// RLIMIT_FSIZE stands for a full disk where no small file system can be mounted: writes fail half-way.
TEST(FullDisk, DiscoverAndExportLeaveNothing) {
  constexpr uint64_t kFew = 512;  // less than either form of the circuit, and than the weights
  const TinyRuns runs({}, kFailingRun);
  const auto expect_nothing_written = [&](const Arguments& arguments, const std::string& place) {
    const auto before = snapshot(runs.scratch().path());
    const ProgramResult result = run_quiet(arguments, kFew);
    EXPECT_EQ(result.exit_code, kFailure);
    EXPECT_EQ(result.error_lines.size(), 1U) << result.err;
    EXPECT_THAT(result.err, testing::HasSubstr(place));
    EXPECT_THAT(result.err, testing::HasSubstr("File too large"));
    EXPECT_TRUE(snapshot(runs.scratch().path()) == before);
  };
  const std::string out = runs.run("out");
  const Arguments discover{"discover", runs.model(), runs.scratch() / "dev.jsonl", "-o", out};
  expect_nothing_written(discover, out);
  Arguments compact = discover;
  compact.emplace_back("--compact");
  expect_nothing_written(compact, out);
  ASSERT_EQ(run_program(runs.tune("run", {"tuning.steps=2"})).exit_code, 0);
  expect_nothing_written({"export", runs.run("run"), "-o", out}, out);
  ASSERT_EQ(run_quiet(discover).exit_code, 0);
  const std::string old = read_file(out);
  EXPECT_EQ(run_quiet(discover, kFew).exit_code, kFailure);
  EXPECT_EQ(read_file(out), old) << "a file that was there is kept";
}

// A file system of a size, if this process may mount one.
class SmallDisk {
 public:
  SmallDisk(std::string path, const std::string& size) : path_(std::move(path)) {
    make_directories(path_);
    mounted_ = mount("tmpfs", path_.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount(path_.c_str());
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }
  void grow(const std::string& size) const {
    mount("tmpfs", path_.c_str(), "tmpfs", MS_REMOUNT, ("size=" + size).c_str());
  }

 private:
  std::string path_;
  bool mounted_ = false;
};

TEST(FullDisk, TuneKeepsItsCheckpointsAndGoesOnWhenThereIsSpace) {
  const TinyRuns runs({}, kFailingRun);
  const SmallDisk disk(runs.run("disk"), "400k");
  if (!disk.mounted()) {
    std::cout << "this process may not mount a small file system: not tested\n";
    GTEST_SKIP();
  }
  const ProgramResult result = run_program(runs.tune("disk/run"));
  EXPECT_EQ(result.exit_code, kFailure);
  EXPECT_EQ(result.error_lines.size(), 1U) << result.err;
  EXPECT_THAT(result.err, testing::HasSubstr(runs.run("disk/run")));
  EXPECT_THAT(result.err, testing::AnyOf(testing::HasSubstr("No space left"), testing::HasSubstr("disk is full"),
                                         testing::HasSubstr("disk I/O error")));
  expect_checkpoints_whole(runs, runs.run("disk/run"));
  disk.grow("50m");
  const ProgramResult resumed = run_program(runs.resume("disk/run"));
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  ASSERT_EQ(run_program(runs.tune("whole")).exit_code, 0);
  EXPECT_EQ(rows_of(runs.run("disk/run")), rows_of(runs.run("whole")));
  EXPECT_TRUE(checkpoints_of(runs.run("disk/run")) == checkpoints_of(runs.run("whole")));
}

}  // namespace
}  // namespace circuit
