// `circuit score` on files of every kind in one call, and what it leaves.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/files.h"
#include "io/json.h"
#include "io/sqlite.h"
#include "tests/refusal.h"
#include "tests/tiny_model.h"
#include "tests/tiny_run.h"

namespace circuit {
namespace {

class Score : public testing::Test {
 protected:
  void SetUp() override {
    write_tiny_model(scratch_ / "model", TinySpec());
    write("choices.jsonl", R"({"prompt": "abc", "choices": ["d", "efg"], "answer": 0})"
                           "\n"
                           R"({"prompt": "abc", "choices": ["d", "efg"], "answer": 1})");
    write("answers.jsonl", R"({"prompt": "abc", "completion": " cat", "scorer": "squad", "answers": [" cat"]})"
                           "\n"
                           R"({"prompt": "dog", "scorer": "squad", "answers": []})");
    write("text.txt", "a cat and a dog");
  }
  std::string write(const std::string& name, const std::string& content) {
    write_file(scratch_ / name, content);
    return scratch_ / name;
  }
  Arguments score(const Arguments& more) const {
    Arguments all{"score", scratch_ / "model"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  ScratchFolder scratch_;
};

TEST_F(Score, SeveralFilesInOneCallEachWithItsKind) {
  const ProgramResult result = run_quiet(score(
      {scratch_ / "choices.jsonl", scratch_ / "answers.jsonl", scratch_ / "text.txt", "--max-tokens", "4", "--json"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json all = parse_json(result.out, "stdout");
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0]["kind"], "multiple choice");
  EXPECT_EQ(all[0]["accuracy"], 0.5);
  EXPECT_EQ(all[0]["accuracy_per_byte"], 0.5);
  EXPECT_EQ(all[0]["intervals"]["accuracy"], Json({0.0, 1.0}));
  EXPECT_EQ(all[1]["kind"], "generation task, squad");
  EXPECT_EQ(all[1]["decoding"]["max_tokens"], 4);
  for (const char* name : {"exact", "f1", "exact_has_answer", "f1_has_answer", "exact_no_answer", "f1_no_answer"}) {
    EXPECT_TRUE(all[1].contains(name)) << name;
  }
  EXPECT_EQ(all[2]["kind"], "text");
}

TEST_F(Score, ChoicesOfGroupsAreToldApart) {
  const auto line = [](int64_t answer, const char* group) {
    return fmt::format(R"({{"prompt": "abc", "choices": ["d", "efg"], "answer": {}{}}})", answer, group) + "\n";
  };
  write("groups.jsonl", line(0, R"(, "group": "x")") + line(0, R"(, "group": "x")") + line(1, R"(, "group": "x")") +
                            line(1, R"(, "group": "y")") + line(0, ""));
  const ProgramResult result = run_quiet(score({scratch_ / "groups.jsonl", "--json"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json found = parse_json(result.out, "stdout")[0];
  // The model finds the same choice the likelier every time: either all of answer 0 are right or all of answer 1.
  const double first = found["accuracy"] == 0.6 ? 1 : 0;
  EXPECT_EQ(found["accuracy"], first == 1 ? 0.6 : 0.4);
  EXPECT_EQ(found["accuracy_by"], (Json{{"x", first == 1 ? 2.0 / 3 : 1.0 / 3}, {"y", 1 - first}}));
  EXPECT_THAT(run_program(score({scratch_ / "groups.jsonl"})).out, testing::HasSubstr("accuracy y"));
}

TEST_F(Score, PredictionsAreWrittenOneALine) {
  const ProgramResult result = run_quiet(score({scratch_ / "choices.jsonl", scratch_ / "answers.jsonl", "--max-tokens",
                                                "4", "--stop", "", "--out", scratch_ / "out.jsonl"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, testing::HasSubstr("f1_no_answer"));
  EXPECT_THAT(result.out, testing::HasSubstr("greedy"));
  std::vector<Json> lines;
  each_json_line(read_file(scratch_ / "out.jsonl"), "out.jsonl",
                 [&](const Json& line, const std::string&) { lines.push_back(line); });
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_THAT(lines[1].at("place").get<std::string>(), testing::EndsWith("choices.jsonl:2"));
  EXPECT_EQ(lines[0].at("choice"), lines[1].at("choice"));
  EXPECT_EQ(lines[3].at("answers"), Json::array());
  EXPECT_EQ(lines[3].at("stopped"), "max tokens");
}

TEST_F(Score, BadRecordsAreRefusedAndNothingIsWritten) {
  const std::string good = scratch_ / "choices.jsonl";
  const std::string out = scratch_ / "out.jsonl";
  const auto refused = [&](const std::string& line, const std::vector<std::string>& words) {
    write("bad.jsonl", line);
    expect_refused(scratch_, score({scratch_ / "bad.jsonl", "--out", out}), words);
  };
  refused(R"({"prompt": "a", "scorer": "bleu", "answers": ["a"]})", {"bad.jsonl:1", "'bleu'", "squad"});
  refused(R"({"prompt": "a", "scorer": "label", "answers": ["a"]})", {"bad.jsonl:1", "labels"});
  refused(R"({"prompt": "a", "scorer": "number", "answers": ["none"]})", {"bad.jsonl:1", "'none'"});
  refused(R"({"prompt": "a", "choices": ["a", "b"], "answer": 7})", {"bad.jsonl:1", "answer: found 7"});
  refused(R"({"prompt": "abcdefghijklmnopq", "scorer": "exact", "answers": ["a"]})",
          {"bad.jsonl:1", "17 tokens", "16 positions"});
  expect_refused(scratch_, score({good, "--out", scratch_ / "nowhere/out.jsonl"}), {"nowhere"});
}

class EvaluationFiles : public testing::Test {
 protected:
  void SetUp() override {
    write_file(choices(), R"({"prompt": "abc", "choices": ["d", "efg"], "answer": 0})"
                          "\n"
                          R"({"prompt": "cat", "choices": ["d", "efg"], "answer": 0})");
    write_file(numbers(), R"({"prompt": "abc", "scorer": "number", "answers": ["3"]})");
  }
  std::string choices() const { return runs_.scratch() / "choices.jsonl"; }
  std::string numbers() const { return runs_.scratch() / "numbers.jsonl"; }

  TinyRuns runs_{TinySpec(), {"tuning.method=full", "tuning.steps=2", "tuning.batch=2", "evaluation.every=2"}};
};

TEST_F(EvaluationFiles, AreScoredBeforeAndAtTheBestStep) {
  const ProgramResult scored = run_quiet({"score", runs_.model(), choices(), "--json"});
  ASSERT_EQ(scored.exit_code, 0) << scored.err;
  const ProgramResult tuned =
      run_program(runs_.tune("run", {"evaluation.files=" + choices() + ", " + numbers(), "evaluation.max_tokens=3"}));
  ASSERT_EQ(tuned.exit_code, 0) << tuned.err;
  EXPECT_THAT(tuned.out, testing::HasSubstr("ability/choices/accuracy_per_byte"));
  EXPECT_THAT(tuned.out, testing::HasSubstr("ability/numbers/unparsed"));
  EXPECT_THAT(read_file(runs_.run("run") + "/report.html"),
              testing::HasSubstr("ability choices <code>accuracy</code>"));
  Database db(runs_.run("run") + "/run.db", Database::Mode::kReadOnly);
  Statement rows =
      db.prepare("SELECT step, value FROM evaluations WHERE name = 'ability/choices/accuracy' ORDER BY step");
  ASSERT_TRUE(rows.step());
  EXPECT_EQ(rows.integer(0), 0);
  EXPECT_EQ(rows.real(1), parse_json(scored.out, "stdout")[0]["accuracy"].get<double>());
  ASSERT_TRUE(rows.step());
  EXPECT_EQ(rows.integer(0), 2);
}

TEST_F(EvaluationFiles, AreCheckedBeforeTheRun) {
  const auto refused = [&](const std::string& files, const std::vector<std::string>& words) {
    const auto before = snapshot(runs_.scratch().path());
    const ProgramResult result = run_program(runs_.tune("run", {"evaluation.files=" + files}));
    EXPECT_EQ(result.exit_code, kFailure);
    EXPECT_EQ(result.error_lines.size(), 1u) << result.err;
    for (const std::string& word : words) EXPECT_THAT(result.err, testing::HasSubstr(word));
    EXPECT_TRUE(snapshot(runs_.scratch().path()) == before) << "something was left behind";
  };
  refused(choices() + "," + choices(), {"evaluation.files", "'choices'"});
  refused(choices() + ".gone", {"choices.jsonl.gone", "evaluation.files"});
  write_file(numbers(), R"({"prompt": "abc", "scorer": "number", "answers": []})");
  refused(numbers(), {"numbers.jsonl:1", "answers"});
}

}  // namespace
}  // namespace circuit
