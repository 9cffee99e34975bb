// What a run rests on may not change under it, and what a command writes may not be what it reads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <regex>

#include "io/files.h"
#include "tests/refusal.h"
#include "tests/tiny_run.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const Settings kGuardedRun{"selection.n=12", "tuning.batch=2", "tuning.steps=4", "evaluation.every=2",
                           "optimizer.lr=0.05"};

class RunGuards : public testing::Test {
 protected:
  void finish(const std::string& name) const {
    const ProgramResult result = run_program(runs_.tune(name));
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }
  std::string file(const std::string& name) const { return runs_.scratch() / name; }
  void expect_no(const Arguments& arguments, const std::vector<std::string>& words, int code = kFailure) const {
    // Those of a tiny run are quiet already.
    Arguments bare = arguments;
    if (bare.back() == "--quiet") bare.resize(bare.size() - 3);
    expect_refused(runs_.scratch(), bare, words, code);
  }
  TinyRuns runs_{TinySpec(), kGuardedRun};
};

TEST_F(RunGuards, AnEditedConfigurationIsRefusedAsSetIs) {
  finish("run");
  const std::string path = runs_.run("run") + "/config.toml";
  const std::string whole = read_file(path);
  std::string text = whole;
  text.replace(text.find("\nn = 12"), 7, "\nn = 5");
  write_file(path, text);
  for (const Arguments& command :
       {Arguments{"tune", "--resume", runs_.run("run")}, {"export", runs_.run("run"), "-o", file("out")}}) {
    expect_no(command, {"config.toml", "selection.n", "12", "would change the result"});
  }
  text = whole;
  const size_t keep = text.find("\nkeep = ") + 1;
  text.replace(keep, text.find('\n', keep) - keep, "keep = \"all\"");
  write_file(path, text);
  EXPECT_EQ(run_quiet({"export", runs_.run("run"), "-o", file("out")}).exit_code, 0);
}

TEST_F(RunGuards, ABaseOrDataThatChangedIsRefused) {
  finish("run");
  const std::string weights = runs_.model() + "/model.safetensors";
  const std::string whole = read_file(weights);
  TinyModel changed = make_tiny_model(TinySpec());
  // A tensor without a slice: no checkpoint holds its sum.
  for (TinyTensor& tensor : changed.tensors) {
    if (tensor.name.find("wte.weight") != std::string::npos) tensor.bytes[3] = static_cast<char>(tensor.bytes[3] ^ 1);
  }
  write_tiny_model(runs_.model(), changed);
  for (const Arguments& command : {Arguments{"tune", "--resume", runs_.run("run")},
                                   {"export", runs_.run("run"), "-o", file("out")},
                                   {"export", runs_.run("run"), "--delta", "-o", file("delta")},
                                   {"analyse", runs_.run("run"), "--only", "faithfulness"}}) {
    expect_no(command, {"wte.weight", "is not the one this run started from", "Put the base model back"});
  }
  write_file(weights, whole);
  const std::string config = runs_.model() + "/config.json";
  const std::string shape = read_file(config);
  write_file(config, shape + " ");
  expect_no({"export", runs_.run("run"), "-o", file("out")}, {"file 'config.json'"});
  write_file(config, shape);
  const std::string train = read_file(file("train.jsonl"));
  write_file(file("train.jsonl"), train + train);
  expect_no({"tune", "--resume", runs_.run("run")}, {"data.train", "is not the one this run started with"});
  EXPECT_EQ(run_quiet({"export", runs_.run("run"), "-o", file("out")}).exit_code, 0);
}

TEST_F(RunGuards, OneProcessAtATimeWorksOnARun) {
  Program first(runs_.tune("run", {"tuning.steps=100000", "evaluation.every=50"}));
  ASSERT_TRUE(first.wait_until({runs_.scratch().path(), runs_.run("run"), runs_.run("run") + "/checkpoints"},
                               [&] { return file_exists(runs_.run("run") + "/checkpoints/step-000050"); }));
  for (const Arguments& command :
       {Arguments{"tune", "--resume", runs_.run("run")}, {"export", runs_.run("run"), "-o", file("out")}}) {
    const ProgramResult second = run_quiet(command);
    EXPECT_EQ(second.exit_code, kFailure);
    EXPECT_TRUE(std::regex_search(second.err, std::regex("another process \\([0-9]+\\) works on it"))) << second.err;
  }
  first.send(SIGKILL);
  first.wait();
  EXPECT_EQ(run_quiet({"export", runs_.run("run"), "-o", file("out")}).exit_code, 0);  // let go of by the kill
}

// An evaluation may take as long as many steps: it is left at once and made up for on resume.
TEST_F(RunGuards, CtrlCEndsAnEvaluationThatIsMadeUpFor) {
  const Settings slow{"data.dev=" + file("many.jsonl"),
                      "data.test=",
                      "evaluation.batch=1",
                      "tuning.steps=6",
                      "evaluation.every=1",
                      "evaluation.keep=all"};
  write_file(file("many.jsonl"), tiny_records(1000, 2));
  ASSERT_EQ(run_program(runs_.tune("whole", slow)).exit_code, 0);
  Program program(runs_.tune("stopped", slow));
  const auto stepped = [&] { return query(runs_.run("stopped"), "SELECT count(*) FROM steps") >= 1; };
  ASSERT_TRUE(program.wait_until({runs_.scratch().path(), runs_.run("stopped")}, stepped));
  program.send(SIGINT);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.exit_code, kFailure) << result.err;
  // On a busy machine the signal comes an evaluation later.
  EXPECT_TRUE(std::regex_search(result.err, std::regex("stopped after step [1-5]\\."))) << result.err;
  ASSERT_EQ(run_program(runs_.resume("stopped")).exit_code, 0);
  EXPECT_EQ(checkpoints_of(runs_.run("stopped")), checkpoints_of(runs_.run("whole")));
  EXPECT_EQ(rows_of(runs_.run("stopped")), rows_of(runs_.run("whole")));
}

TEST_F(RunGuards, AFolderThatExistsIsMeantBeforeARunAndAStep) {
  finish("run");
  finish("run:3");
  const ProgramResult result = run_quiet({"diff", runs_.run("run:3"), runs_.run("run")});
  EXPECT_THAT(result.out, HasSubstr("A: " + runs_.run("run:3") + ", discovery of step"));
  EXPECT_THAT(run_quiet({"diff", runs_.run("run") + ":2", runs_.run("run")}).out,
              HasSubstr("run, discovery of step 2"));
}

TEST_F(RunGuards, SettingsThatCannotBeAreFoundBeforeAnyFolder) {
  const auto expect = [&](const std::string& setting, const std::vector<std::string>& words) {
    expect_no(runs_.tune("run", {"optimizer.kind=adamw", setting}), words, kFailure);
  };
  expect("optimizer.beta1=1", {"optimizer.beta1", "less than 1"});
  expect("optimizer.beta2=1", {"optimizer.beta2", "less than 1"});
  expect("optimizer.epsilon=0", {"optimizer.epsilon", "more than 0"});
  expect("lora.alpha=0", {"lora.alpha", "more than 0"});
  expect("selection.leave_rank=11", {"selection.leave_rank", "11", "12"});
  for (const char* rates : {"optimizer.rates=m*=0.5abc", "optimizer.rates=m*=", "optimizer.rates=m*=nan"}) {
    expect_no(runs_.tune("run", {rates}), {"optimizer.rates", "expected pattern=factor"}, kWrongUse);
  }
  for (const char* key : {"selection.always", "selection.never"}) {
    const ProgramResult result = run_program(runs_.tune("run", {std::string(key) + "=zz"}));
    EXPECT_NE(result.exit_code, 0);
    EXPECT_THAT(result.err, HasSubstr("zz"));
    EXPECT_FALSE(file_exists(runs_.run("run")));
  }
}

TEST_F(RunGuards, NoOutputIsAnInputOrAnotherOutput) {
  const std::string data = file("train.jsonl");
  fs::create_symlink(data, file("link.jsonl"));
  const Arguments discover{"discover", runs_.model(), data, "--ablation", "zero"};
  const auto with = [&](const Arguments& more) {
    Arguments all = discover;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  expect_no(with({"-o", data}), {"-o", "would overwrite"});
  expect_no(with({"-o", file("link.jsonl")}), {"would overwrite"});
  expect_no(with({"-o", file("c.json"), "--svg", file("./c.json")}), {"-o", "--svg", "two names"});
  expect_no(with({"-o", runs_.model() + "/model.safetensors"}), {"would overwrite"});
  expect_no(with({"-o", file("c.json"), "--dot", data}), {"--dot"});
  expect_no(with({"-o", file("nowhere/c.json")}), {"nowhere/c.json", "cannot write here"});
  expect_no(with({"-o", runs_.scratch().path()}), {"folder"});
  expect_no({"score", runs_.model(), data, "--out", data}, {"--out", "would overwrite"});
}

TEST_F(RunGuards, FlagsThatAreNoNumbersAreRefusedInAFewDigits) {
  const Arguments discover{"discover", runs_.model(), file("train.jsonl"), "--ablation", "zero", "-o", file("c.json")};
  const auto expect = [&](const std::string& flag, const std::string& value, const std::string& range) {
    Arguments all = discover;
    all.insert(all.end(), {flag, value});
    expect_no(all, {flag, "found " + value + ", expected " + range}, kWrongUse);
  };
  for (const char* value : {"nan", "inf", "-1"}) expect("--threshold", value, "0 or more");
  for (const char* value : {"nan", "1.5"}) expect("--budget", value, "0 to 1");
  expect("--target-faithfulness", "nan", "0 to 1");
  expect("--top-edges", "0", "1 or more");
  expect_no({"generate", runs_.model(), "--prompt", "a", "--temperature", "nan"}, {"--temperature", "found nan"},
            kWrongUse);
}

// The exit code and what was said, of a shell line in which circuit stands for the program.
std::string shell(const std::string& line) {
  const std::string command = "circuit() { " CIRCUIT_PROGRAM " \"$@\"; }; { " + line + "; echo rc=$?; } 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  std::string text;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) text += static_cast<char>(c);
  pclose(pipe);
  return text;
}

TEST_F(RunGuards, AResultThatCannotBeWrittenIsAFailure) {
  const std::string m = runs_.model();
  for (const std::string& command :
       {"score " + m + " " + file("dev.jsonl") + " --json --quiet", "inspect " + m + " --json",
        std::string("--version"), std::string("--help"), std::string("tune --help"), std::string("tune --help-config"),
        "generate " + m + " --prompt a --max-tokens 2 --quiet", "diff " + m + " " + m}) {
    const std::string said = shell("circuit " + command + " > /dev/full");
    EXPECT_THAT(said, testing::AllOf(HasSubstr("rc=1"), HasSubstr("cannot write the result: No space left on device")))
        << command;
  }
  EXPECT_THAT(shell("echo '\"ab\"' | circuit tokenize " + m + " > /dev/full"), HasSubstr("rc=1"));
}

}  // namespace
}  // namespace circuit
