// The ranks under the launchers that people have: what each says in the environment, and that the results are one
// process's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>

#include "io/files.h"
#include "tests/tiny_run.h"
#include "tests/variables.h"

namespace circuit {
namespace {

struct ShellResult {
  int code = -1;
  std::string output;
};

ShellResult shell(const std::string& command) {
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  ShellResult result;
  std::array<char, 4096> buffer{};
  while (const size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) result.output.append(buffer.data(), n);
  result.code = pclose(pipe);
  return result;
}

bool is_installed(const std::string& program) { return shell("command -v " + program).code == 0; }

class Launchers : public testing::Test {
 protected:
  Launchers() : runs_({}, {}) {
    const ProgramResult alone = run_program(discover("alone.json"));
    EXPECT_EQ(alone.exit_code, 0) << alone.err;
  }
  Arguments discover(const std::string& out) const {
    return quiet({"discover", runs_.model(), runs_.scratch() / "train.jsonl", "-o", runs_.scratch() / out,
                  "--top-edges", "12", "--batch", "2", "--ablation", "mean"});
  }
  // `launcher` with the program and its arguments after it.
  void expect_same(const std::string& launcher) const {
    std::string command = launcher + " " CIRCUIT_PROGRAM;
    for (const std::string& argument : discover("many.json")) command += " '" + argument + "'";
    const ShellResult result = shell(command);
    ASSERT_EQ(result.code, 0) << result.output;
    EXPECT_TRUE(read_file(runs_.scratch() / "many.json") == read_file(runs_.scratch() / "alone.json"));
  }
  const TinyRuns runs_;
};

TEST_F(Launchers, OpenMpi) {
  if (!is_installed("mpirun")) GTEST_SKIP() << "mpirun is not there: apt-get install openmpi-bin";
  expect_same("mpirun --allow-run-as-root --oversubscribe -n 3");
}

TEST_F(Launchers, Torchrun) {
  const char* venv = std::getenv("CIRCUIT_TORCH_VENV");
  const std::string python = venv == nullptr ? "python3" : std::string(venv) + "/bin/python";
  if (shell(python + " -c 'import torch'").code != 0) {
    GTEST_SKIP() << "there is no torch in Python: set CIRCUIT_TORCH_VENV to an environment that has it";
  }
  expect_same(python + " -m torch.distributed.run --standalone --no-python --nproc-per-node 2");
}

TEST_F(Launchers, SlurmsVariables) {
  std::vector<std::unique_ptr<Program>> ranks;
  for (const char* rank : {"0", "1"}) {
    const Variables launched({{"SLURM_PROCID", rank},
                              {"SLURM_STEP_NUM_TASKS", "2"},
                              {"SLURM_STEP_NUM_NODES", "1"},
                              {"SLURM_JOB_ID", std::to_string(getpid())},
                              {"SLURM_STEP_ID", "0"},
                              {"TMPDIR", runs_.scratch().path()}});
    ranks.push_back(std::make_unique<Program>(discover("many.json")));
  }
  for (auto& rank : ranks) {
    const ProgramResult result = rank->wait();
    EXPECT_EQ(result.exit_code, 0) << result.err;
  }
  EXPECT_TRUE(read_file(runs_.scratch() / "many.json") == read_file(runs_.scratch() / "alone.json"));
}

// A store that rank 0 serves, as on several machines.
TEST_F(Launchers, AddressAndPort) {
  std::vector<std::unique_ptr<Program>> ranks;
  const std::string port = std::to_string(20000 + getpid() % 20000);
  for (const char* rank : {"0", "1", "2"}) {
    const Variables launched(
        {{"RANK", rank}, {"WORLD_SIZE", "3"}, {"MASTER_ADDR", "127.0.0.1"}, {"MASTER_PORT", port}});
    ranks.push_back(std::make_unique<Program>(discover("many.json")));
  }
  for (auto& rank : ranks) {
    const ProgramResult result = rank->wait();
    EXPECT_EQ(result.exit_code, 0) << result.err;
  }
  EXPECT_TRUE(read_file(runs_.scratch() / "many.json") == read_file(runs_.scratch() / "alone.json"));
}

// What several processes have nothing to do with is one's.
TEST_F(Launchers, OtherCommandsAreTheFirstRanks) {
  for (const char* rank : {"0", "1"}) {
    const Variables launched({{"RANK", rank}, {"WORLD_SIZE", "2"}});
    const ProgramResult result = run_program({"inspect", runs_.model()});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(result.out.empty(), std::string(rank) == "1");
  }
}

}  // namespace
}  // namespace circuit
