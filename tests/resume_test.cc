// A run that was killed or stopped at any moment goes on as if it had never been.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <regex>

#include "io/files.h"
#include "io/json.h"
#include "tests/refusal.h"
#include "tests/tiny_run.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

const Settings kEverything{"selection.n=12",
                           "tuning.batch=2",
                           "tuning.accumulation=2",
                           "optimizer.clip=0.5",
                           "optimizer.weight_decay=0.01",
                           "optimizer.warmup=5",
                           "evaluation.every=10",
                           "evaluation.keep=all",
                           "tuning.steps=120"};

Settings with(Settings settings, const Settings& more) {
  settings.insert(settings.end(), more.begin(), more.end());
  return settings;
}

struct Case {
  std::string name;
  TinySpec model;
  Settings settings;
};

void PrintTo(const Case& each, std::ostream* out) { *out << each.name; }

const Case kSgdEveryStep{
    "SgdEveryStep",
    {},
    with(kEverything, {"optimizer.kind=sgd", "optimizer.lr=0.05", "discovery.every=1", "optimizer.schedule=cosine"})};
const Case kAdamEveryThird{"AdamwEveryThird",
                           {"llama", false, "BF16", 2},
                           with(kEverything, {"optimizer.kind=adamw", "optimizer.lr=0.01", "discovery.every=3",
                                              "optimizer.schedule=linear", "discovery.ablation=counterfactual",
                                              "tuning.state_on_return=reset", "tuning.train_norms=true"})};
// Discovery on batches of its own, random edges: both draw random numbers by step.
const Case kOwnBatches{"OwnBatches",
                       {"llama"},
                       with(kEverything, {"optimizer.kind=sgd", "optimizer.lr=0.05", "discovery.every=4",
                                          "discovery.batches=2", "selection.kind=random", "tuning.steps=60"})};
const Case kFull{"Full", {}, with(kEverything, {"tuning.method=full", "optimizer.lr=0.01", "tuning.steps=60"})};

const Case kLoraOfACircuit{
    "LoraOfACircuit",
    {"llama"},
    with(kEverything, {"tuning.method=lora", "lora.circuit=true", "lora.rank=2", "lora.rank_by_score=true",
                       "optimizer.lr=0.01", "tuning.steps=60", "run.keep_scores=last"})};
// What a policy remembers from one discovery to the next.
const Case kPolicies{
    "Policies",
    {},
    with(kEverything, {"optimizer.lr=0.01", "discovery.every=2", "discovery.smoothing=0.6", "selection.leave_rank=20",
                       "selection.extra_random=0.2", "selection.never=a0.h1*", "tuning.regulariser=0.1",
                       "tuning.recompute=true", "tuning.steps=60"})};
const Case kComplementFromScratch{"ComplementFromScratch",
                                  {"llama"},
                                  with(kEverything, {"tuning.method=complement", "model.init=random",
                                                     "discovery.every=3", "optimizer.lr=0.01", "tuning.steps=60"})};

// What general text said of slices as they came in.
const Settings kSpared{"data.replay={scratch}/general.txt",
                       "data.window=8",
                       "data.replay_share=0",
                       "tuning.null_space=0.5",
                       "optimizer.curvature=0.1",
                       "tuning.general_windows=3",
                       "optimizer.lr=0.01",
                       "discovery.every=4",
                       "tuning.steps=60"};
const Case kSparedCircuit{"SparedCircuit", {"llama", false, "BF16", 2}, with(kEverything, kSpared)};
const Case kSparedAdapters{"SparedAdapters", {}, with(kEverything, with(kSpared, {"tuning.method=lora"}))};

// Scores that are kept for a while only, and logs beside the store.
const Case kFewScores{"FewScores",
                      {},
                      with(kEverything, {"optimizer.lr=0.01", "discovery.every=2", "tuning.steps=60",
                                         "run.keep_scores=every", "run.keep_every=7"})};
const Case kLastScores{"LastScores",
                       {},
                       with(kEverything, {"optimizer.lr=0.01", "discovery.every=3", "tuning.steps=60",
                                          "run.keep_scores=last", "run.loggers=jsonl"})};

// A moment in the life of a run: the folders in which something happens then, and how to tell.
struct Moment {
  const char* name;
  std::function<bool(const std::string& run)> reached;
};

int64_t last_step(const std::string& run) { return query(run, "SELECT max(step) FROM steps"); }

bool has_checkpoint(const std::string& run, int64_t from) {
  std::error_code none;
  for (const auto& item : fs::directory_iterator(run + "/checkpoints", none)) {
    const std::string name = item.path().filename().string();
    if (name.size() == 11 && std::stoll(name.substr(5)) >= from) return true;
  }
  return false;
}

bool is_writing_checkpoint(const std::string& run) {
  std::error_code none;
  for (const auto& item : fs::directory_iterator(run + "/checkpoints", none)) {
    if (item.path().filename().string().find(".tmp-") != std::string::npos) return true;
  }
  return false;
}

// In the order they happen, so that each can be waited for after the one before.
const std::vector<Moment> kMoments{
    {"the folder is there", [](const std::string& run) { return fs::exists(run); }},
    {"rows before the first checkpoint", [](const std::string& run) { return last_step(run) >= 2; }},
    {"a checkpoint is there", [](const std::string& run) { return has_checkpoint(run, 10); }},
    {"rows beyond a checkpoint", [](const std::string& run) { return last_step(run) >= 23; }},
    {"a checkpoint is being written", [](const std::string& run) { return is_writing_checkpoint(run); }},
};

void expect_same_run(const std::string& a, const std::string& b) {
  const auto expected = rows_of(a);
  for (const auto& [table, rows] : rows_of(b)) EXPECT_EQ(rows, expected.at(table)) << table;
  const auto files = checkpoints_of(b);
  for (const auto& [name, bytes] : checkpoints_of(a)) {
    ASSERT_EQ(files.count(name), 1U) << name;
    EXPECT_TRUE(files.at(name) == bytes) << name << " differs";
  }
}

std::map<std::string, std::string> exported(const TinyRuns& runs, const std::string& name) {
  const std::string out = runs.run(name + "-model");
  const ProgramResult result = run_quiet({"export", runs.run(name), "-o", out});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return snapshot(out);
}

class KilledRun : public testing::TestWithParam<Case> {};

TEST_P(KilledRun, EqualsARunNeverKilled) {
  const TinyRuns runs(GetParam().model, GetParam().settings);
  ASSERT_EQ(run_program(runs.tune("whole")).exit_code, 0);
  const std::string run = runs.run("killed");
  for (const Moment& moment : kMoments) {
    Program program(fs::exists(run) ? runs.resume("killed") : runs.tune("killed"));
    const bool came =
        program.wait_until({runs.scratch().path(), run, run + "/checkpoints"}, [&] { return moment.reached(run); });
    program.send(SIGKILL);
    ASSERT_EQ(program.wait().signal, SIGKILL) << "it ended before: " << moment.name;
    EXPECT_TRUE(came) << moment.name;
  }
  const ProgramResult last = run_program(runs.resume("killed"));
  ASSERT_EQ(last.exit_code, 0) << last.err;
  EXPECT_EQ(last.err, "");
  expect_same_run(runs.run("whole"), run);
  EXPECT_FALSE(is_writing_checkpoint(run)) << "what a kill left behind is cleared";
  EXPECT_TRUE(exported(runs, "whole") == exported(runs, "killed"));
}

INSTANTIATE_TEST_SUITE_P(Methods, KilledRun,
                         testing::Values(kSgdEveryStep, kAdamEveryThird, kOwnBatches, kFull, kLoraOfACircuit, kPolicies,
                                         kComplementFromScratch, kSparedCircuit, kSparedAdapters, kFewScores,
                                         kLastScores),
                         [](const auto& each) { return each.param.name; });

TEST(Interrupt, SaysHowToGoOnAndResumeEqualsARunNeverStopped) {
  const TinyRuns runs(kAdamEveryThird.model, kAdamEveryThird.settings);
  ASSERT_EQ(run_program(runs.tune("whole")).exit_code, 0);
  const std::string run = runs.run("stopped");
  Program program(runs.tune("stopped"));
  ASSERT_TRUE(program.wait_until({runs.scratch().path(), run}, [&] { return last_step(run) >= 3; }));
  program.send(SIGINT);
  const ProgramResult stopped = program.wait();
  EXPECT_EQ(stopped.exit_code, kFailure);
  EXPECT_EQ(stopped.error_lines.size(), 1U) << stopped.err;
  EXPECT_THAT(stopped.err, testing::HasSubstr("circuit tune --resume " + run));
  EXPECT_TRUE(has_checkpoint(run, 4)) << "it keeps what was done";
  ASSERT_EQ(run_program(runs.resume("stopped")).exit_code, 0);
  expect_same_run(runs.run("whole"), run);
}

TEST(Resume, OfAFinishedRunChangesNothing) {
  const TinyRuns runs(kSgdEveryStep.model, with(kSgdEveryStep.settings, {"tuning.steps=10", "evaluation.every=4"}));
  const ProgramResult first = run_program(runs.tune("run"));
  ASSERT_EQ(first.exit_code, 0) << first.err;
  const auto rows = rows_of(runs.run("run"));
  const auto checkpoints = checkpoints_of(runs.run("run"));
  const ProgramResult again = run_program(runs.resume("run"));
  ASSERT_EQ(again.exit_code, 0) << again.err;
  const auto without_memory = [](const std::string& out) {
    return std::regex_replace(out, std::regex("\n.*of memory at most\n"), "\n");
  };
  EXPECT_EQ(without_memory(again.out), without_memory(first.out));
  EXPECT_NE(without_memory(first.out), first.out);
  EXPECT_EQ(rows_of(runs.run("run")), rows);
  EXPECT_TRUE(checkpoints_of(runs.run("run")) == checkpoints);
}

TEST(Json, OfTuneAndExportIsOneDocument) {
  const TinyRuns runs(kSgdEveryStep.model, with(kSgdEveryStep.settings, {"tuning.steps=10"}));
  Arguments tune = runs.tune("run");
  tune.emplace_back("--json");
  const Json summary = parse_json(run_program(tune).out, "tune");
  EXPECT_EQ(summary["steps"], 10);
  EXPECT_EQ(summary["run"], runs.run("run"));
  EXPECT_TRUE(summary["after"].contains("test/metric"));
  const ProgramResult result = run_quiet({"export", runs.run("run"), "-o", runs.run("out"), "--json"});
  EXPECT_EQ(parse_json(result.out, "export")["step"], summary["best_step"]);
}

TEST(Resume, RefusesWhatWouldChangeTheResult) {
  const TinyRuns runs(kSgdEveryStep.model, with(kSgdEveryStep.settings, {"tuning.steps=4"}));
  ASSERT_EQ(run_program(runs.tune("run")).exit_code, 0);
  for (const std::string key :
       {"optimizer.lr", "tuning.steps", "tuning.seed", "model.path", "run.path", "selection.n"}) {
    expect_refused(runs.scratch(), {"tune", "--resume", runs.run("run"), "--set", key + "=5"},
                   {key, "change the result"});
  }
  expect_refused(runs.scratch(), {"tune", "--resume", runs.run("run"), "--dtype", "bf16"}, {"--dtype", "f32"});
  // A base model that is not the one the run began with.
  TinySpec other = kSgdEveryStep.model;
  other.seed = 8;
  write_tiny_model(runs.model(), other);
  expect_refused(runs.scratch(), {"tune", "--resume", runs.run("run")}, {"not the one this run started from"});
  expect_refused(runs.scratch(), {"export", runs.run("run"), "-o", runs.run("out")},
                 {"not the one this run started from"});
}

TEST(Resume, DamagedCheckpointIsNamed) {
  const TinyRuns runs(kSgdEveryStep.model, with(kSgdEveryStep.settings, {"tuning.steps=4"}));
  ASSERT_EQ(run_program(runs.tune("run")).exit_code, 0);
  const std::string folder = runs.run("run") + "/checkpoints/step-000004/";
  for (const std::string name : {"slices.safetensors", "optimizer.safetensors", "state.json"}) {
    const std::string whole = read_file(folder + name);
    write_file(folder + name, whole.substr(0, whole.size() / 2));
    expect_refused(runs.scratch(), {"export", runs.run("run"), "-o", runs.run("out")}, {"step-000004/" + name});
    fs::remove(folder + name);
    expect_refused(runs.scratch(), {"export", runs.run("run"), "-o", runs.run("out")}, {"step-000004/" + name});
    write_file(folder + name, whole);
  }
  expect_refused(runs.scratch(), {"export", runs.run("run"), "--step", "3", "-o", runs.run("out")},
                 {"step 3", "There are: 4"});
}

TEST(Seeds, TheSameGivesTheSameRunAndAnotherDoesNot) {
  const TinyRuns runs(kSgdEveryStep.model, with(kSgdEveryStep.settings, {"tuning.steps=10"}));
  for (const auto& [name, seed] : std::map<std::string, std::string>{{"a", "1"}, {"b", "1"}, {"c", "2"}}) {
    ASSERT_EQ(run_program(runs.tune(name, {"tuning.seed=" + seed})).exit_code, 0);
  }
  expect_same_run(runs.run("a"), runs.run("b"));
  const std::string slices = "step-000010/slices.safetensors";
  EXPECT_FALSE(checkpoints_of(runs.run("a")).at(slices) == checkpoints_of(runs.run("c")).at(slices));
}

}  // namespace
}  // namespace circuit
