// circuit pairs: pairs made of plain texts, and what it says of whether records can carry a circuit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "io/files.h"
#include "io/json.h"
#include "tests/refusal.h"
#include "tests/tiny_model.h"

namespace circuit {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::string kExamples = std::string(CIRCUIT_SOURCE_DIR) + "/examples/";

class Pairs : public testing::Test {
 protected:
  Pairs() { write_tiny_model(model_, TinySpec()); }
  // The tiny model's tokenizer has small letters, spaces, " cat" and " dog".
  static std::string span_record(const std::string& text, const std::string& answer, const std::string& wrong) {
    return Json{{"text", text}, {"a", "cat"}, {"b", "dog"}, {"answer", answer}, {"wrong", wrong}}.dump() + "\n";
  }
  Json check(const std::string& data, const Arguments& more = {}) {
    Arguments arguments{"pairs", "check", model_, data, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramResult result = run_quiet(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.err, "");
    return Json::parse(result.out);
  }
  static Json finding(const Json& report, const std::string& name) {
    for (const Json& item : report["checks"]) {
      if (item["check"] == name) return item;
    }
    return {};
  }
  ScratchFolder scratch_;
  const std::string model_ = scratch_ / "model";
  const std::string data_ = scratch_ / "data.jsonl";
  const std::string out_ = scratch_ / "out.jsonl";
};

TEST_F(Pairs, MakeWritesRecordsAndCountsTheRest) {
  write_file(data_, span_record("a cat b dog c", " cat", " dog") + span_record("a cat", " cat", " dog"));
  const ProgramResult shown = run_program({"pairs", "make", "swapped-spans", data_, "--model", model_, "-o", out_});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_EQ(shown.out, "");
  EXPECT_THAT(shown.err, HasSubstr("refused: a span does not stand in the text"));
  const std::string records = read_file(out_);
  EXPECT_EQ(Json::parse(records)["counterfactual"], "a dog b cat c");

  const ProgramResult json =
      run_quiet({"pairs", "make", "swapped-spans", data_, "--model", model_, "-o", out_, "--json"});
  const Json report = Json::parse(json.out);
  EXPECT_EQ(json.err, "");
  EXPECT_EQ(report["lines"], 2);
  EXPECT_EQ(report["records"], 1);
  EXPECT_EQ(report["refused"]["a span does not stand in the text"], 1);
  EXPECT_EQ(read_file(out_), records);
}

TEST_F(Pairs, MakeTakesWordsBeforeTheFileAndTextsWithoutATokenAreRefused) {
  write_file(scratch_ / "in.txt", "the fan hums\nthe fan hums.\nthe FAN: the fan hums\n");
  const ProgramResult made = run_quiet({"pairs", "make", "agreement", "--verbs", "hums:homs,a:b", "--nouns", "fan:fen",
                                        scratch_ / "in.txt", "--model", model_, "-o", out_, "--json"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_EQ(Json::parse(read_file(out_))["counterfactual"], "the fen h");
  EXPECT_EQ(Json::parse(made.out)["refused"]["a character that the tokenizer has no token for"], 1);
}

TEST_F(Pairs, MakeRefusesInOneLineAndLeavesNothing) {
  write_file(data_, span_record("a cat b dog c", " cat", " dog") + "{\"text\": 3}\n");
  const auto refused = [&](const std::string& kind, const Arguments& more, const std::vector<std::string>& words,
                           int code) {
    Arguments arguments{"pairs", "make", kind, data_, "-o", out_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    expect_refused(scratch_, arguments, words, code);
  };
  refused("swapped-spans", {"--model", model_}, {"data.jsonl:2", "text", "expected a string"}, kFailure);
  refused("swapped-spans", {"--model", scratch_ / "absent"}, {"absent"}, kFailure);
  refused("swaped", {"--model", model_}, {"'swaped' is not known", "agreement", "swapped-spans"}, kWrongUse);
  refused("swapped-spans", {}, {"--model is required"}, kWrongUse);
  refused("numbers", {"--model", model_, "--nouns", "key:keys"}, {"--nouns", "Leave it out"}, kWrongUse);
  refused("agreement", {"--model", model_, "--verbs", "walks"}, {"--verbs", "'walks'", "SINGULAR:PLURAL"}, kWrongUse);
  write_file(data_, span_record("a cat", " cat", " dog"));
  refused("swapped-spans", {"--model", model_}, {"data.jsonl", "no pair was made of 1 lines: a span does not"},
          kFailure);
  write_file(data_, "{\"text\": \"the man\"}\n{\"text\": \"der Mann is\"}\n");
  expect_refused(scratch_, {"pairs", "make", "agreement", data_, "--model", model_, "-o", data_}, {"would overwrite"});
  expect_refused(scratch_, {"pairs", "bake"}, {"pairs"}, kWrongUse);
  expect_refused(scratch_, {"pairs"}, {"subcommand is required"}, kWrongUse);
}

TEST_F(Pairs, OfTheExamplesAreWhatDiscoverTakes) {
  const std::string model = kExamples + "books-4l";
  for (const auto& [kind, file] : {std::pair("agreement", "agreement.txt"),
                                   {"names", "names.txt"},
                                   {"swapped-names", "names.txt"},
                                   {"numbers", "numbers.txt"},
                                   {"swapped-spans", "spans.jsonl"}}) {
    SCOPED_TRACE(kind);
    const ProgramResult made =
        run_quiet({"pairs", "make", kind, kExamples + "pairs/" + file, "--model", model, "-o", out_, "--json"});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    const ProgramResult found =
        run_quiet({"discover", model, out_, "--ablation", "counterfactual", "--top-edges", "20", "-o", scratch_ / "c"});
    EXPECT_EQ(found.exit_code, 0) << found.err;
    const ProgramResult checked = run_quiet({"pairs", "check", model, out_, "--json"});
    ASSERT_EQ(checked.exit_code, 0) << checked.err;
    const Json report = Json::parse(checked.out);
    EXPECT_EQ(report["records"], Json::parse(made.out)["records"]);
    for (const char* count : {"without_counterfactual", "unequal", "unchanged", "unread", "repeated"}) {
      EXPECT_EQ(report[count], 0) << count;
    }
  }
}

TEST_F(Pairs, CheckCountsWhatAnExpertWould) {
  // A pair, its repetition, one that differs behind what is read, one that does not differ, one without, one longer.
  const std::string pair =
      R"({"text_ids": [1, 2, 3], "counterfactual_ids": [1, 4, 3], "readouts": [{"position": 3, "correct_id": 5, "wrong_id": 6}]})";
  write_file(
      data_,
      pair + "\n" + pair + "\n" +
          R"({"text_ids": [1, 2, 3], "counterfactual_ids": [1, 2, 4], "readouts": [{"position": 2, "correct_id": 5, "wrong_id": 6}]}
{"text_ids": [1, 2, 3], "counterfactual_ids": [1, 2, 3], "readouts": [{"position": 2, "correct_id": 5, "wrong_id": 6}]}
{"text_ids": [1, 2, 3], "readouts": [{"position": 2, "correct_id": 6, "wrong_id": 5}]}
{"text_ids": [1, 2, 3], "counterfactual_ids": [1, 2], "readouts": [{"position": 2, "correct_id": 5, "wrong_id": 7}]}
)");
  const Json report = check(data_);
  EXPECT_EQ(report["records"], 6);
  EXPECT_EQ(report["repeated"], 1);
  EXPECT_EQ(report["unread"], 1);
  EXPECT_EQ(report["unchanged"], 1);
  EXPECT_EQ(report["without_counterfactual"], 1);
  EXPECT_EQ(report["unequal"], 1);
  EXPECT_EQ(report["by_record"][0]["differing"], Json({1}));
  EXPECT_EQ(report["by_record"][2]["differing"], Json({2}));
  EXPECT_EQ(report["by_record"][4]["counterfactual"], nullptr);
  EXPECT_EQ(report["by_record"][5]["line"], 6);
  constexpr double kRounding = 1e-12;                          // sums of four and of six numbers
  EXPECT_NEAR(report["share_differing"], 1.0 / 4, kRounding);  // 1, 1, 1 and 0 of three
  EXPECT_NEAR(report["commonest_answers"], 4.0 / 6, kRounding);
  for (const char* name : {"counterfactual", "pairs", "records", "repeats"}) {
    EXPECT_EQ(finding(report, name)["passes"], false) << name;
    EXPECT_NE(finding(report, name)["advice"], "") << name;
  }
}

TEST_F(Pairs, CheckIsRightWhereTheAnswersSay) {
  write_file(data_, tiny_records(60, 4));
  // The same records with the answers exchanged: what was right is wrong.
  std::string exchanged;
  std::string lines = read_file(data_);
  each_json_line(lines, "data", [&](const Json& record, const std::string&) {
    Json other = record;
    for (Json& readout : other["readouts"]) std::swap(readout["correct_id"], readout["wrong_id"]);
    exchanged += other.dump() + "\n";
  });
  write_file(scratch_ / "exchanged.jsonl", exchanged);
  const Json right = check(data_, {"--keep", "right", "-o", out_});
  const Json wrong = check(scratch_ / "exchanged.jsonl");
  constexpr double kRounding = 1e-5;  // float32 logits
  EXPECT_NEAR(right["accuracy"]["value"].get<double>() + wrong["accuracy"]["value"].get<double>(), 1, kRounding);
  EXPECT_NEAR(right["clean"]["value"].get<double>(), -wrong["clean"]["value"].get<double>(), kRounding);
  EXPECT_NEAR(right["difference"]["value"].get<double>(),
              right["clean"]["value"].get<double>() - right["counterfactual"]["value"].get<double>(), kRounding);

  // As `score` has the accuracy of what was kept, and the lines are those of the file.
  const std::string kept = read_file(out_);
  EXPECT_EQ(std::count(kept.begin(), kept.end(), '\n'), right["kept"]);
  EXPECT_LT(right["kept"], 60);
  EXPECT_EQ(check(out_)["accuracy"]["value"], 1);
  for (size_t at = 0; at < kept.size(); at = kept.find('\n', at) + 1) {
    EXPECT_THAT(lines, HasSubstr(kept.substr(at, kept.find('\n', at) - at)));
  }
  const Json flips = check(data_, {"--keep", "flips", "-o", scratch_ / "flips.jsonl"});
  EXPECT_NEAR(flips["kept"].get<double>() / 60, flips["flipped"]["value"], kRounding);
}

TEST_F(Pairs, CheckShowsWhatWarnsAndWhatToDo) {
  write_file(data_, tiny_records(9, 4));
  const ProgramResult shown = run_quiet({"pairs", "check", model_, data_});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_THAT(shown.out, AllOf(HasSubstr("the model is right on"), HasSubstr("WARN  records"), HasSubstr("9 records"),
                               HasSubstr("checks warn.")));
  // The batch changes nothing, nor the seed what is no interval.
  const Json one = check(data_, {"--batch", "1"});
  const Json other = check(data_, {"--seed", "5"});
  EXPECT_EQ(one["accuracy"], check(data_)["accuracy"]);
  EXPECT_EQ(one["accuracy"]["value"], other["accuracy"]["value"]);
}

TEST_F(Pairs, CheckRefusesInOneLine) {
  write_file(data_, tiny_records(3, 4));
  expect_refused(scratch_, {"pairs", "check", model_, data_, "--metric", "kl"}, {"--metric", "logit_diff, prob_diff"},
                 kWrongUse);
  expect_refused(scratch_, {"pairs", "check", model_, data_, "--metric", "x"}, {"'x' is not known"}, kWrongUse);
  expect_refused(scratch_, {"pairs", "check", model_, data_, "--keep", "right"}, {"--keep", "--out"}, kWrongUse);
  expect_refused(scratch_, {"pairs", "check", model_, data_, "-o", out_}, {"--keep"}, kWrongUse);
  expect_refused(scratch_, {"pairs", "check", model_, data_, "--keep", "right", "-o", data_}, {"would overwrite"});
  expect_refused(scratch_, {"pairs", "check", model_, scratch_ / "absent"}, {"absent"});
  write_file(data_, "{\"text\": \"abc\", \"readouts\": [{\"correct\": \"a\"}]}\n");
  expect_refused(scratch_, {"pairs", "check", model_, data_}, {"data.jsonl:1", "wrong"});
  write_file(data_, "{\"prompt\": \"abc\", \"completion\": \"cab\"}\n");
  expect_refused(scratch_, {"pairs", "check", model_, data_}, {"data.jsonl:1", "readouts"});
}

TEST_F(Pairs, NothingIsWrittenWhereNothingIsKept) {
  const auto record = [](int right, int wrong) {
    return Json{{"text_ids", {1, 2, 3}},
                {"readouts", Json::array({{{"position", 3}, {"correct_id", right}, {"wrong_id", wrong}}})}}
               .dump() +
           "\n";
  };
  write_file(data_, record(5, 6));
  if (check(data_)["accuracy"]["value"] == 1) write_file(data_, record(6, 5));
  expect_refused(scratch_, {"pairs", "check", model_, data_, "--keep", "right", "-o", out_},
                 {"none of its 1 records", "nothing is written"});
}

TEST_F(Pairs, DiscoverSaysWhatMakesItsCircuitDoubtful) {
  write_file(data_, tiny_records(9, 4));
  const Arguments arguments{"discover", model_, data_, "-o", scratch_ / "c.json", "--top-edges", "5"};
  EXPECT_THAT(run_program(arguments).err, HasSubstr("9 records are few for a circuit; `circuit pairs check`"));
  EXPECT_EQ(run_quiet(arguments).err, "");
}

}  // namespace
}  // namespace circuit
