// circuit watch: what it says of a run that is over, one that goes on and one that was killed; and how it
// ends in a terminal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <regex>

#include "io/json.h"
#include "tests/refusal.h"
#include "tests/tiny_run.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const Settings kWatchedRun{"selection.n=12", "discovery.every=3", "tuning.steps=20",
                           "tuning.batch=2", "optimizer.lr=0.01", "evaluation.every=10"};

// `circuit watch` in a terminal of its own, 100 columns by 40 rows.
class Terminal {
 public:
  explicit Terminal(const std::string& run) {
    const winsize size{40, 100, 0, 0};
    child_ = forkpty(&master_, nullptr, nullptr, &size);
    if (child_ == 0) {
      execl(CIRCUIT_PROGRAM, "circuit", "watch", run.c_str(), "--every", "0.05", nullptr);
      _exit(127);
    }
  }
  ~Terminal() {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    close(master_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // Reads what it draws until enough() holds or it ends. False: it ended, or drew nothing for a minute.
  template <class Enough>
  bool read_until(const Enough& enough) {
    while (!enough()) {
      pollfd wanted{master_, POLLIN, 0};
      char bytes[4096];
      if (poll(&wanted, 1, 60'000) <= 0) return false;
      const ssize_t got = read(master_, bytes, sizeof bytes);
      if (got <= 0) return false;  // EIO: the other side is closed
      text_.append(bytes, static_cast<size_t>(got));
    }
    return true;
  }
  int frames() const {
    int count = 0;
    for (size_t at = 0; (at = text_.find("\x1b[J", at)) != std::string::npos; ++at) ++count;
    return count;
  }
  void send(int signal) const { kill(child_, signal); }
  // Reads to its end.
  int exit_code() {
    read_until([] { return false; });
    int status = 0;
    waitpid(child_, &status, 0);
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  const std::string& text() const { return text_; }

 private:
  pid_t child_ = -1;
  int master_ = -1;
  std::string text_;
};

TEST(Watch, OfAFinishedRunIsOneBlock) {
  const TinyRuns runs({}, kWatchedRun);
  ASSERT_EQ(run_program(runs.tune("run")).exit_code, 0);
  const auto before = snapshot(runs.run("run"));
  const ProgramResult result = run_quiet({"watch", runs.run("run")});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const char* words : {"run  circuit  ######################## 20/20  finished\n", "\nloss ", "\nlogit_diff ",
                            "edges, ", "Jaccard ", "\nevaluated ", "\ndev/metric ", "\nstrongest nodes "}) {
    EXPECT_THAT(result.out, HasSubstr(words));
  }
  EXPECT_THAT(result.out, testing::Not(HasSubstr("\x1b")));
  EXPECT_THAT(result.out, testing::Not(HasSubstr("ETA")));
  EXPECT_TRUE(snapshot(runs.run("run")) == before) << "it only reads";
}

TEST(Watch, JsonHasTheNumbersOfTheStore) {
  const TinyRuns runs({}, kWatchedRun);
  ASSERT_EQ(run_program(runs.tune("run")).exit_code, 0);
  const ProgramResult result = run_quiet({"watch", runs.run("run"), "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json view = parse_json(result.out, "watch");
  EXPECT_EQ(view["status"], "finished");
  EXPECT_EQ(view["steps"], 20);
  EXPECT_EQ(view["total_steps"], 20);
  EXPECT_EQ(view["seconds_left"], nullptr);
  EXPECT_EQ(view["discovery"]["step"], 18);
  EXPECT_EQ(view["evaluations"]["dev/metric"]["step"], 20);
  const auto shown = [&](const std::string& sql) {
    return parse_json(run_quiet({"query", runs.run("run"), sql, "--json"}).out, "query")[0]["v"];
  };
  EXPECT_EQ(view["loss"], shown("SELECT loss AS v FROM steps ORDER BY step DESC LIMIT 1"));
  EXPECT_EQ(view["discovery"]["left"], shown("SELECT left AS v FROM discoveries WHERE step = 18"));
  EXPECT_EQ(view["evaluations"]["dev/metric"]["base"],
            shown("SELECT value AS v FROM evaluations WHERE name = 'dev/metric' AND step = 0"));
  EXPECT_EQ(view["trainable_share"].get<double>(),
            shown("SELECT trainable_share AS v FROM discoveries WHERE step = 18").get<double>());
  const std::string node = view["strongest_nodes"][0]["node"];
  // float32 sums in edge order against SQLite's in float64.
  constexpr double kRounding = 1e-5;
  const double sum = shown("SELECT sum(abs(score)) AS v FROM circuits WHERE step = 18 AND upstream = '" + node + "'");
  EXPECT_NEAR(view["strongest_nodes"][0]["now"].get<double>(), sum, kRounding * sum);
}

TEST(Watch, OfARunWithoutCircuitsLeavesThemOut) {
  const TinyRuns runs({}, {"tuning.method=full", "tuning.steps=4", "tuning.batch=2", "evaluation.every=2"});
  ASSERT_EQ(run_program(runs.tune("run")).exit_code, 0);
  const ProgramResult result = run_quiet({"watch", runs.run("run"), "--once"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("100.0 %"));
  EXPECT_THAT(result.out, testing::Not(HasSubstr("strongest nodes")));
}

TEST(Watch, OfAKilledRunSaysThatNothingComes) {
  const TinyRuns runs({}, kWatchedRun);
  const std::string run = runs.run("run");
  {
    Program program(runs.tune("run", {"tuning.steps=100000"}));
    ASSERT_TRUE(program.wait_until({runs.scratch().path(), run},
                                   [&] { return query(run, "SELECT max(step) FROM steps") >= 3; }));
    program.send(SIGKILL);
    program.wait();
  }
  for (const char* name : {"/run.db", "/run.db-wal"}) {
    fs::last_write_time(run + name, fs::file_time_type::clock::now() - std::chrono::hours(2));
  }
  const std::string words = "no new step for 2 h 00 min. If it was killed: circuit tune --resume " + run;
  EXPECT_THAT(run_quiet({"watch", run}).out, HasSubstr(words));
  EXPECT_THAT(run_quiet({"watch", run}).out, HasSubstr(words)) << "watching is no sign of life";
}

TEST(Watch, RedrawsInPlaceUntilCtrlC) {
  const TinyRuns runs({}, kWatchedRun);
  const std::string run = runs.run("run");
  Program program(runs.tune("run", {"tuning.steps=100000"}));
  ASSERT_TRUE(
      program.wait_until({runs.scratch().path(), run}, [&] { return query(run, "SELECT max(step) FROM steps") >= 3; }));
  Terminal terminal(run);
  ASSERT_TRUE(terminal.read_until([&] { return terminal.frames() >= 3; })) << terminal.text();
  terminal.send(SIGINT);
  EXPECT_EQ(terminal.exit_code(), 0);
  EXPECT_TRUE(std::regex_search(terminal.text(), std::regex("\x1b\\[[0-9]+A\r"))) << terminal.text();
  EXPECT_THAT(terminal.text(), HasSubstr("/100000  ETA "));
  EXPECT_THAT(terminal.text(), testing::EndsWith("\x1b[?25h")) << "the cursor is there again";
  const int64_t steps = query(run, "SELECT max(step) FROM steps");
  EXPECT_TRUE(program.wait_until({run}, [&] { return query(run, "SELECT max(step) FROM steps") > steps; }))
      << "the run goes on";
}

TEST(Watch, EndsWithTheRun) {
  const TinyRuns runs({}, kWatchedRun);
  const std::string run = runs.run("run");
  Program program(runs.tune("run", {"tuning.steps=60"}));
  ASSERT_TRUE(
      program.wait_until({runs.scratch().path(), run}, [&] { return query(run, "SELECT max(step) FROM steps") >= 1; }));
  Terminal terminal(run);
  EXPECT_EQ(terminal.exit_code(), 0);
  EXPECT_THAT(terminal.text(), HasSubstr("60/60  finished"));
  EXPECT_EQ(program.wait().exit_code, 0);
}

TEST(Watch, WhatIsNoRunIsRefused) {
  const ScratchFolder scratch;
  expect_refused(scratch, {"watch", scratch.path()}, {"run.db", "Give a run directory"});
}

}  // namespace
}  // namespace circuit
