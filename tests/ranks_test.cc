// Several processes that work as one: the same bytes at any number of them, and a message that names who fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <memory>

#include "io/files.h"
#include "io/json.h"
#include "tests/refusal.h"
#include "tests/tiny_run.h"
#include "tests/variables.h"

namespace circuit {
namespace {

using testing::HasSubstr;

constexpr int kCounts[] = {2, 3, 4, 7};

// The ranks of one job, which meet in a file.
class Job {
 public:
  Job(const ScratchFolder& scratch, const std::string& name, int count, const std::string& timeout = "60")
      : file_(scratch / ("meet-" + name)), count_(count), timeout_(timeout) {}
  void start(const Arguments& arguments) {
    for (int r = 0; r < count_; ++r) start(r, arguments);
  }
  void start(int rank, const Arguments& arguments, uint64_t file_bytes = 0) {
    const Variables launched({{"RANK", std::to_string(rank)},
                              {"WORLD_SIZE", std::to_string(count_)},
                              {"CIRCUIT_RENDEZVOUS", file_},
                              {"CIRCUIT_RANKS_TIMEOUT", timeout_}});
    ranks_.push_back(std::make_unique<Program>(arguments, file_bytes));
  }
  Program& rank(int r) { return *ranks_[r]; }
  std::vector<ProgramResult> wait() {
    std::vector<ProgramResult> results;
    for (auto& rank : ranks_) results.push_back(rank->wait());
    return results;
  }
  const std::string& file() const { return file_; }

 private:
  const std::string file_;
  const int count_;
  const std::string timeout_;
  std::vector<std::unique_ptr<Program>> ranks_;
};

// Rank 0's output; the others print nothing.
std::string output_of(const ScratchFolder& scratch, const std::string& name, int count, const Arguments& arguments) {
  Job job(scratch, name, count);
  job.start(arguments);
  const std::vector<ProgramResult> results = job.wait();
  for (size_t r = 0; r < results.size(); ++r) {
    EXPECT_EQ(results[r].exit_code, 0) << "rank " << r << ": " << results[r].err;
    EXPECT_TRUE(r == 0 || results[r].out + results[r].err == "") << results[r].out << results[r].err;
  }
  EXPECT_FALSE(file_exists(job.file()));
  return results[0].out;
}

class Ranks : public testing::Test {
 protected:
  Ranks() : runs_({}, {"tuning.batch=2", "tuning.accumulation=3", "tuning.steps=5", "evaluation.every=2"}) {}
  std::string data(const std::string& name) const { return runs_.scratch() / name; }
  Arguments discover(const std::string& out, const Arguments& more) const {
    Arguments arguments{"discover", runs_.model(), data("train.jsonl"), "-o", data(out), "--top-edges", "12"};
    for (const char* one : {"--batch", "2", "--ablation", "mean"}) arguments.emplace_back(one);
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  void expect_equal_runs(const std::string& a, const std::string& b) const {
    EXPECT_EQ(rows_of(runs_.run(a)), rows_of(runs_.run(b)));
    EXPECT_TRUE(checkpoints_of(runs_.run(a)) == checkpoints_of(runs_.run(b)));
  }
  const TinyRuns runs_;
};

TEST_F(Ranks, DiscoverTheSameBytes) {
  for (const char* method : {"eap", "eap-ig-activations", "edge-pruning", "exact", "magnitude", "wanda", "random"}) {
    const Arguments more{"--method", method};
    ASSERT_EQ(run_quiet(discover("alone.json", more)).exit_code, 0);
    for (const int count : kCounts) {
      SCOPED_TRACE(testing::Message() << method << " on " << count);
      output_of(runs_.scratch(), method + std::to_string(count), count, quiet(discover("ranks.json", more)));
      EXPECT_TRUE(read_file(data("ranks.json")) == read_file(data("alone.json")));
    }
  }
}

TEST_F(Ranks, EvaluateAndScoreTheSame) {
  ASSERT_EQ(run_quiet(discover("c.json", {})).exit_code, 0);
  const Arguments evaluate{"evaluate", runs_.model(), data("dev.jsonl"), "--ablation",   "mean",
                           "--batch",  "2",           "--circuit",       data("c.json"), "--json"};
  const Arguments score{"score", runs_.model(), data("dev.jsonl"), data("untouched.txt"), "--batch", "2", "--json"};
  write_file(data("untouched.txt"), "the cat sat on the mat and the dog sat on the cat and the mat");
  Arguments baselines = evaluate;
  baselines.emplace_back("--baselines");
  Arguments matrix = evaluate;
  matrix.insert(matrix.begin() + 3, data("train.jsonl"));
  const std::vector<Arguments> commands{evaluate, score, baselines, matrix};
  for (size_t i = 0; i < commands.size(); ++i) {
    const ProgramResult alone = run_quiet(commands[i]);
    ASSERT_EQ(alone.exit_code, 0) << alone.err;
    for (const int count : kCounts) {
      const std::string name = "command" + std::to_string(i) + "-" + std::to_string(count);
      EXPECT_EQ(output_of(runs_.scratch(), name, count, quiet(commands[i])), alone.out) << name;
    }
  }
}

TEST_F(Ranks, TuneTheSameRuns) {
  const std::vector<Settings> methods{
      {"tuning.method=circuit"},
      {"tuning.method=circuit", "discovery.every=2", "discovery.batches=3"},
      {"tuning.method=circuit", "tuning.accumulation=1", "discovery.metric=nll"},
      {"tuning.method=full", "optimizer.clip=0.5"},
      {"tuning.method=lora"},
      {"tuning.method=random"},
      {"tuning.method=fixed"},
      {"tuning.method=complement"},
      {"selection.slices=gradient-norm"},
      {"selection.slices=contrastive", "data.replay=" + data("untouched.txt"), "data.window=6"},
      {"tuning.null_space=0.6", "optimizer.curvature=0.1", "tuning.general_windows=5",
       "data.replay=" + data("untouched.txt"), "data.window=6"},
      {"evaluation.kl=true", "data.untouched=" + data("untouched.txt"), "evaluation.window=6", "tuning.anchor=0.5"}};
  write_file(data("untouched.txt"), "the cat sat on the mat and the dog sat on the cat and the mat");
  for (size_t m = 0; m < methods.size(); ++m) {
    const std::string name = "m" + std::to_string(m);
    const ProgramResult alone = run_program(runs_.tune(name, methods[m]));
    ASSERT_EQ(alone.exit_code, 0) << alone.err;
    // Every count for what the paper does and for its two baselines, and the last two.
    const bool all = m == 0 || m == 3 || m == 4 || m + 2 >= methods.size();
    for (const int count : all ? std::vector<int>{2, 3, 4, 7} : std::vector<int>{2, 3}) {
      SCOPED_TRACE(testing::Message() << methods[m][0] << " on " << count);
      const std::string many = name + "-" + std::to_string(count);
      output_of(runs_.scratch(), many, count, runs_.tune(many, methods[m]));
      expect_equal_runs(name, many);
    }
  }
}

TEST_F(Ranks, GoOnWithAnotherNumber) {
  ASSERT_EQ(run_program(runs_.tune("whole", {"evaluation.every=1", "evaluation.keep=all"})).exit_code, 0);
  Job job(runs_.scratch(), "first", 3);
  job.start(runs_.tune("parts", {"evaluation.every=1", "evaluation.keep=all"}));
  const std::string second = runs_.run("parts") + "/checkpoints/step-000002";
  ASSERT_TRUE(job.rank(0).wait_until({runs_.scratch().path(), runs_.run("parts"), runs_.run("parts") + "/checkpoints"},
                                     [&] { return file_exists(second); }));
  for (int r = 0; r < 3; ++r) job.rank(r).send(SIGKILL);
  job.wait();
  output_of(runs_.scratch(), "second", 2, runs_.resume("parts"));
  expect_equal_runs("whole", "parts");
}

// What travels in a step: each rank's part of the gradients to their owners, and its own new values to all.
TEST_F(Ranks, SendTheSlicesAndLittleMore) {
  const std::string examples = CIRCUIT_SOURCE_DIR "/examples/";
  const TinyRuns runs({}, {"model.path=" + examples + "books-4l", "data.train=" + examples + "agreement/dev.jsonl",
                           "data.dev=", "data.test=", "discovery.ablation=mean", "selection.n=100", "tuning.batch=2",
                           "tuning.accumulation=4", "tuning.steps=3", "evaluation.every=3"});
  for (const int count : {2, 4}) {
    const std::string name = "sent-" + std::to_string(count);
    Arguments arguments = runs.tune(name, {"tuning.method=fixed"});
    arguments.emplace_back("--json");
    const Json json = parse_json(output_of(runs.scratch(), name, count, arguments), name);
    const int64_t trained = query(runs.run(name), "SELECT trainable_parameters FROM steps WHERE step = 1");
    // Four micro-batches: on two ranks a sum of two each, on four a single one; float32 either way.
    const double expected = 2.0 * 4 * static_cast<double>(trained) * (count - 1) / count;
    const double sent = json.at("sent_bytes").get<double>() / json.at("steps").get<double>();
    EXPECT_NEAR(sent / expected, 1, 0.05) << count;
  }
}

// A run that the test can stop in the middle.
Settings endless() { return {"tuning.steps=100000", "evaluation.every=2"}; }

TEST_F(Ranks, NameTheOneThatIsKilledOrHangs) {
  for (const int signal : {SIGKILL, SIGSTOP}) {
    for (const int lost : {1, 2}) {
      SCOPED_TRACE(testing::Message() << "signal " << signal << " to rank " << lost);
      const std::string name = "lost-" + std::to_string(signal) + std::to_string(lost);
      Job job(runs_.scratch(), name, 3, "3");
      job.start(runs_.tune(name, endless()));
      const std::string checkpoints = runs_.run(name) + "/checkpoints";
      ASSERT_TRUE(job.rank(0).wait_until({runs_.scratch().path(), runs_.run(name), checkpoints},
                                         [&] { return file_exists(checkpoints + "/step-000002"); }));
      job.rank(lost).send(signal);
      for (int r = 0; r < 3; ++r) {
        if (r == lost) continue;
        const ProgramResult result = job.rank(r).wait();
        EXPECT_EQ(result.exit_code, 1) << result.err;
        EXPECT_THAT(result.err, HasSubstr("rank " + std::to_string(lost) + " of 3"));
        EXPECT_EQ(result.error_lines.size(), 1U) << result.err;
      }
      job.rank(lost).send(SIGKILL);
      EXPECT_EQ(run_quiet({"query", runs_.run(name), "SELECT count(*) FROM steps"}).exit_code, 0);
    }
  }
}

TEST_F(Ranks, SayWhichOneDiffers) {
  Job job(runs_.scratch(), "unlike", 2, "20");
  job.start(0, quiet(discover("a.json", {"--method", "eap"})));
  job.start(1, quiet(discover("a.json", {"--method", "random"})));
  const std::vector<ProgramResult> results = job.wait();
  EXPECT_EQ(results[0].exit_code, 1);
  EXPECT_THAT(results[0].err, HasSubstr("rank 1 has another command line than rank 0"));
  EXPECT_EQ(results[0].error_lines.size(), 1U);
  EXPECT_FALSE(file_exists(data("a.json")));
}

TEST_F(Ranks, OfAJobThatFailsPrintOneLine) {
  Job job(runs_.scratch(), "fails", 3, "20");
  write_file(data("bad.jsonl"), "{\"text\": 3}\n");
  job.start(quiet({"discover", runs_.model(), data("bad.jsonl"), "-o", data("a.json")}));
  const std::vector<ProgramResult> results = job.wait();
  std::string all;
  for (const ProgramResult& result : results) {
    EXPECT_EQ(result.exit_code, 1);
    all += result.err;
  }
  EXPECT_THAT(all, HasSubstr("bad.jsonl:1"));
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 1) << all;
}

// Rank 0 alone writes: of a disk that is full there the others hear by name.
TEST_F(Ranks, OfAFullDiskAreNamed) {
  Job job(runs_.scratch(), "full", 3, "20");
  constexpr uint64_t kLittle = 65536;  // of a file: too little for run.db
  for (int r = 0; r < 3; ++r) job.start(r, runs_.tune("full"), r == 0 ? kLittle : 0);
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<ProgramResult> results = job.wait();
  // Neither the connections' end nor the timeout is waited for.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(15));
  EXPECT_THAT(results[0].err, HasSubstr("run.db]"));
  for (const ProgramResult& result : results) {
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_EQ(result.error_lines.size(), 1U) << result.err;
  }
  for (const int other : {1, 2}) EXPECT_THAT(results[other].err, HasSubstr("rank 0 of 3 stopped"));
}

TEST_F(Ranks, DoNotWaitForEver) {
  Job job(runs_.scratch(), "late", 3, "2");
  job.start(0, quiet(discover("a.json", {})));
  job.start(1, quiet(discover("a.json", {})));
  for (const ProgramResult& result : job.wait()) {
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.err, HasSubstr("rank 2 of 3"));
  }
  // A file that a job left is not another one's.
  Job again(runs_.scratch(), "late", 2, "2");
  again.start(quiet(discover("a.json", {})));
  for (const ProgramResult& result : again.wait()) EXPECT_THAT(result.err, HasSubstr("has met here before"));
}

}  // namespace
}  // namespace circuit
