// Records and calls that are wrong end with one line that says what and where, and with nothing half-written.
#include <gtest/gtest.h>

#include <filesystem>

#include "io/files.h"
#include "tests/refusal.h"
#include "tests/tiny_model.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

class BadRecords : public testing::Test {
 protected:
  BadRecords() { write_tiny_model(scratch_ / "model", TinySpec()); }
  Arguments discover(const std::string& records, const std::string& ablation = "mean") {
    write_file(scratch_ / "d.jsonl", records);
    return {"discover", scratch_ / "model", scratch_ / "d.jsonl", "--ablation", ablation, "-o", scratch_ / "out.json"};
  }
  void expect_records_refused(const std::string& records, const std::vector<std::string>& words) {
    expect_refused(scratch_, discover(records), words);
  }
  const std::string good_ = R"({"text_ids": [1,2,3,4], "readouts": [{"correct_id": 5, "wrong_id": 6}]})"
                            "\n";
  ScratchFolder scratch_;
};

TEST_F(BadRecords, TheGoodRecordIsAccepted) {
  EXPECT_EQ(run_quiet(discover(good_)).exit_code, 0);
  EXPECT_TRUE(file_exists(scratch_ / "out.json"));
}

TEST_F(BadRecords, UnknownKeysNameLineAndTheKnown) {
  expect_records_refused(good_ + R"({"text_ids": [1], "label": 1})", {"d.jsonl:2", "'label'", "text_ids"});
  expect_records_refused(R"({"text_ids": [1,2], "readouts": [{"correct": "a", "rong": "b"}]})",
                         {"d.jsonl:1", "'rong'"});
  expect_records_refused(R"({"prompt": "a", "completion": "b", "text": "c"})", {"d.jsonl:1", "'text'"});
}

TEST_F(BadRecords, BrokenLinesNameTheLine) {
  expect_records_refused(good_ + "\n" + good_ + "{\"text_ids\": [1,}\n", {"d.jsonl:4", "not valid JSON"});
  expect_records_refused(good_ + "[1]\n", {"d.jsonl:2", "expected one JSON object"});
  expect_records_refused(good_ + "{\"text\": \"\xC3\x28\"}\n", {"d.jsonl:2", "invalid UTF-8"});
  expect_records_refused(good_ + R"({"text": "a", "text": "b"})", {"d.jsonl:2", "twice"});
  expect_records_refused(good_ + R"({"text": "\ud800"})", {"d.jsonl:2"});
}

TEST_F(BadRecords, EmptyFilesAndTextsAreRefused) {
  expect_records_refused("", {"d.jsonl", "no usable records"});
  expect_records_refused("\n \n\t\r\n", {"d.jsonl", "no usable records"});
  expect_records_refused(R"({"text": ""})", {"d.jsonl:1", "empty"});
  expect_records_refused(R"({"text_ids": []})", {"d.jsonl:1", "text_ids"});
  expect_records_refused("{}", {"d.jsonl:1", "'text' is missing"});
  expect_records_refused(R"({"text_ids": [1,2], "readouts": []})", {"d.jsonl:1", "readouts"});
  expect_records_refused(R"({"prompt": "cat", "completion": ""})", {"d.jsonl:1", "completion"});
}

TEST_F(BadRecords, RecordAboveTheLimitIsRefused) {
  // A sparse file: a brace, 64 MiB of holes, nothing more.
  write_file(scratch_ / "big.jsonl", "{");
  fs::resize_file(scratch_ / "big.jsonl", kMaxRecordBytes + 1);
  const ProgramResult result =
      run_quiet({"discover", scratch_ / "model", scratch_ / "big.jsonl", "-o", scratch_ / "o"});
  EXPECT_EQ(result.exit_code, kFailure);
  EXPECT_EQ(result.error_lines.size(), 1U);
  EXPECT_THAT(result.err, testing::HasSubstr("big.jsonl:1"));
  EXPECT_THAT(result.err, testing::HasSubstr("67108865 bytes"));
  EXPECT_FALSE(file_exists(scratch_ / "o"));
}

TEST_F(BadRecords, IdsAndPositionsOutsideAreNamed) {
  expect_records_refused(good_ + R"({"text_ids": [1,40,2], "readouts": [{"correct_id": 5, "wrong_id": 6}]})",
                         {"d.jsonl:2", "token id 40", "vocabulary of 40"});
  expect_records_refused(R"({"text_ids": [-1,2], "readouts": [{"correct_id": 5, "wrong_id": 6}]})",
                         {"d.jsonl:1", "-1"});
  expect_records_refused(R"({"text_ids": [1,2], "readouts": [{"correct_id": 99, "wrong_id": 6}]})",
                         {"d.jsonl:1", "99"});
  expect_records_refused(R"({"text_ids": [18446744073709551615,2]})", {"d.jsonl:1"});
  expect_records_refused(R"({"text_ids": [1.5,2]})", {"d.jsonl:1", "text_ids"});
  for (const char* position : {"0", "-1", "4", "9223372036854775807"}) {
    expect_records_refused(R"({"text_ids": [1,2,3], "readouts": [{"position": )" + std::string(position) +
                               R"(, "correct_id": 5, "wrong_id": 6}]})",
                           {"d.jsonl:1", "position", position});
  }
  expect_records_refused(
      R"({"text_ids": [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1], "readouts": [{"correct_id": 5, "wrong_id": 6}]})",
      {"d.jsonl:1", "17 tokens", "16 positions"});
  expect_records_refused(R"({"text_ids": [1,2], "spans": {"s": [1, 2]}})", {"d.jsonl:1", "spans.s"});
}

TEST_F(BadRecords, ByteInsideAWordIsRefused) {
  // " cat" is one token: its word begins at byte 5, after the space.
  const auto record = [](const std::string& byte) {
    return R"({"text": "a dog cat", "readouts": [{"byte": )" + byte + R"(, "correct": "a", "wrong": "b"}]})";
  };
  EXPECT_EQ(run_quiet(discover(record("6"))).exit_code, 0);
  fs::remove(scratch_ / "out.json");
  expect_records_refused(record("7"), {"d.jsonl:1", "byte"});
  expect_records_refused(record("99"), {"d.jsonl:1", "byte: 99"});
  expect_records_refused(record("-1"), {"d.jsonl:1", "byte: -1"});
  expect_records_refused(R"({"text_ids": [1,2], "readouts": [{"byte": 1, "correct_id": 1, "wrong_id": 2}]})",
                         {"d.jsonl:1", "byte"});
}

TEST_F(BadRecords, AnswerOfSeveralTokensShowsThem) {
  expect_records_refused(R"({"text": "a dog", "readouts": [{"correct": " cow", "wrong": "b"}]})",
                         {"d.jsonl:1", "correct: ' cow' is not one token", "'c', 'o', 'w'"});
  expect_records_refused(R"({"text": "a dog", "readouts": [{"correct": "", "wrong": "b"}]})", {"d.jsonl:1", "correct"});
  expect_records_refused(R"({"text": "a dog", "readouts": [{"correct": "a", "correct_id": 1, "wrong": "b"}]})",
                         {"d.jsonl:1", "correct_id"});
}

TEST_F(BadRecords, ReadoutWithoutAnswersIsRefused) {
  expect_records_refused(R"({"text_ids": [1,2], "readouts": [{"correct_id": 5}]})", {"d.jsonl:1", "wrong"});
  expect_records_refused(R"({"text_ids": [1,2]})", {"d.jsonl:1", "readout"});
}

TEST_F(BadRecords, CounterfactualOfAnotherLengthNamesBothLengths) {
  const std::string record =
      R"({"text_ids": [1,2,3,4], "counterfactual_ids": [1,2,3], "readouts": [{"position": 3, "correct_id": 5, "wrong_id": 6}]})";
  expect_refused(scratch_, discover(record, "counterfactual"), {"d.jsonl:1", "4 tokens", "counterfactual 3"});
  EXPECT_EQ(run_quiet(discover(record, "mean")).exit_code, 0);
}

TEST_F(BadRecords, MissingCounterfactualSaysWhatToDo) {
  expect_refused(scratch_, discover(good_, "counterfactual"), {"d.jsonl:1", "no counterfactual", "mean or zero"});
}

TEST_F(BadRecords, ScoreRefusesTextThatIsNotUtf8OrEmpty) {
  write_file(scratch_ / "t.txt", "a cat\n\xFF\xFE dog");
  expect_refused(scratch_, {"score", scratch_ / "model", scratch_ / "t.txt"}, {"t.txt", "UTF-8"});
  write_file(scratch_ / "t.txt", "");
  expect_refused(scratch_, {"score", scratch_ / "model", scratch_ / "t.txt"}, {"t.txt"});
  write_file(scratch_ / "t.jsonl", "{\"good\": \"a\"}\n");
  expect_refused(scratch_, {"score", scratch_ / "model", scratch_ / "t.jsonl"}, {"t.jsonl:1", "'bad' is missing"});
  expect_refused(scratch_, {"score", scratch_ / "model", scratch_.path()}, {scratch_.path()});
}

TEST_F(BadRecords, TuneRefusesThemBeforeItMakesAFolder) {
  write_file(scratch_ / "c.toml", "[model]\npath = \"" + (scratch_ / "model") + "\"\n[data]\ntrain = \"" +
                                      (scratch_ / "train.jsonl") + "\"\n[run]\npath = \"" + (scratch_ / "run") +
                                      "\"\n");
  const auto expect_third_refused = [&](const std::string& record, const std::vector<std::string>& words,
                                        const std::string& ablation = "mean") {
    write_file(scratch_ / "train.jsonl", good_ + good_ + record + "\n");
    expect_refused(scratch_, {"tune", scratch_ / "c.toml", "--set", "discovery.ablation=" + ablation}, words);
  };
  expect_third_refused(R"({"text_ids": [1,40]})", {"train.jsonl:3", "token id 40"});
  expect_third_refused(R"({"text_ids": [1,2]})", {"train.jsonl:3", "no readouts"});
  expect_third_refused(good_, {"train.jsonl:1", "no counterfactual"}, "counterfactual");
}

// ---- places that cannot be written, wrong use ------------------------------------------------------------

TEST_F(BadRecords, UnwritablePlacesAreNamed) {
  write_file(scratch_ / "file", "x");
  write_file(scratch_ / "d.jsonl", good_);
  // Root may write into read-only folders, but nobody below a file or into /proc.
  for (const std::string& out :
       {scratch_ / "file/out.json", std::string("/proc/out.json"), scratch_ / "none/out.json"}) {
    expect_refused(scratch_, {"discover", scratch_ / "model", scratch_ / "d.jsonl", "--ablation", "mean", "-o", out},
                   {out});
  }
  write_file(scratch_ / "c.toml",
             "[model]\npath = \"" + (scratch_ / "model") + "\"\n[data]\ntrain = \"" + (scratch_ / "d.jsonl") + "\"\n");
  for (const std::string& path : {scratch_ / "file/run", std::string("/proc/run")}) {
    expect_refused(scratch_, {"tune", scratch_ / "c.toml", "--set", "run.path=" + path},
                   {path.substr(0, path.rfind('/'))});
  }
}

TEST_F(BadRecords, WrongUseIsExitTwo) {
  const std::string model = scratch_ / "model";
  expect_refused(scratch_, {"inspect", model, "--colour"}, {"--colour", "--help"}, kWrongUse);
  expect_refused(scratch_, {"inspect"}, {"MODEL", "circuit inspect --help"}, kWrongUse);
  expect_refused(scratch_, {"paint", model}, {"--help"}, kWrongUse);
  expect_refused(scratch_, {"tune"}, {"CONFIG.toml"}, kWrongUse);
  expect_refused(scratch_, {"tune", "a.toml", "--resume", "b"}, {"CONFIG.toml"}, kWrongUse);
  expect_refused(scratch_, {"tune", "a.toml", "--threads", "0"}, {"--threads"}, kWrongUse);
  expect_refused(scratch_, {"inspect", model, "--batch", "-1"}, {"--batch"}, kWrongUse);
  expect_refused(scratch_, {"inspect", model, "--dtype", "f8"}, {"--dtype"}, kWrongUse);
  write_file(scratch_ / "d.jsonl", good_);
  const Arguments discover{"discover", model, scratch_ / "d.jsonl", "-o", scratch_ / "out.json"};
  for (const auto& [flag, value] : std::vector<std::pair<std::string, std::string>>{{"--metric", "bleu"},
                                                                                    {"--ablation", "noise"},
                                                                                    {"--method", "acdc"},
                                                                                    {"--positions", "some"},
                                                                                    {"--selection", "best"}}) {
    Arguments wrong = discover;
    wrong.insert(wrong.end(), {flag, value});
    expect_refused(scratch_, wrong, {value}, kWrongUse);
  }
  EXPECT_EQ(run_program({}).exit_code, kWrongUse);
  EXPECT_EQ(run_program({"--help"}).exit_code, 0);
}

TEST_F(BadRecords, AbsentDeviceIsRefused) {
  expect_refused(scratch_, {"inspect", scratch_ / "model", "--device", "abacus"}, {"--device", "abacus"});
  // Why, and what else.
  if (!file_exists("/proc/driver/nvidia/version"))
    expect_refused(scratch_, {"inspect", scratch_ / "model", "--device", "cuda"}, {"--device", "or use cpu"});
}

}  // namespace
}  // namespace circuit
