// Choices and generation tasks on tiny models, and one file of every kind.
#include "evaluation/ability.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "evaluation/generation_task.h"
#include "evaluation/sequence_nll.h"
#include "io/files.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

using testing::HasSubstr;

constexpr double kFloat32 = 1e-5;  // the order of sums differs with the batch

// Ids 0 … 11 are the letters a … l, 12 is a line break.
std::string tokenizer_json() {
  Json vocab;
  for (int64_t i = 0; i < 12; ++i) vocab[std::string(1, static_cast<char>('a' + i))] = i;
  vocab["\n"] = 12;
  return Json({{"decoder", {{"type", "Fuse"}}},
               {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", Json::array()}}}})
      .dump();
}

class Ability : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/ability-" + std::to_string(getpid());
    make_directories(folder_);
    write_file(folder_ + "/tokenizer.json", tokenizer_json());
    tokenizer_.emplace(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  FileScore score(const std::string& name, const std::string& content, const AbilitySpec& spec = {}) const {
    write_file(folder_ + "/" + name, content);
    return score_file(model_, *tokenizer_, folder_ + "/" + name, spec);
  }
  static double value(const FileScore& score, const std::string& name) {
    for (const Measure& m : score.measures) {
      if (m.name == name) return m.value;
    }
    ADD_FAILURE() << "no " << name;
    return 0;
  }

  Model model_ = Model::random(tiny_architecture("gpt2"), 0.5, 1, {});
  std::string folder_;
  std::optional<LazyTokenizer> tokenizer_;
};

std::vector<ChoiceRecord> some_choices() {
  std::vector<ChoiceRecord> records;
  for (int64_t i = 0; i < 7; ++i) {
    ChoiceRecord record;
    for (int64_t c = 0; c < 2 + i % 3; ++c) {
      ChoiceRecord::Choice choice{{1, 2, i}, 3, 1 + c};
      for (int64_t t = 0; t <= c; ++t) choice.ids.push_back((5 * i + 3 * c + t) % 13);
      record.choices.push_back(choice);
    }
    records.push_back(record);
  }
  return records;
}

TEST_F(Ability, ChoicesAreRankedByTheirOwnTokensAlone) {
  const auto records = some_choices();
  const ChoicesResult found = evaluate_choices(model_, records, 4);
  bool differ = false;
  for (size_t i = 0; i < records.size(); ++i) {
    const auto& choices = records[i].choices;
    std::vector<double> sums, per_byte;
    for (size_t c = 0; c < choices.size(); ++c) {
      // log p(prompt and choice) − log p(prompt)
      const std::vector<int64_t> prompt(choices[c].ids.begin(), choices[c].ids.begin() + 3);
      const std::vector<double> nll = sequence_nll(model_, {{choices[c].ids, 1}, {prompt, 1}});
      sums.push_back(nll[1] - nll[0]);
      per_byte.push_back(sums.back() / static_cast<double>(choices[c].bytes));
      EXPECT_NEAR(found.answers[i].log_probs[c], sums.back(), kFloat32);
    }
    const auto best = [](const std::vector<double>& v) { return std::max_element(v.begin(), v.end()) - v.begin(); };
    EXPECT_EQ(found.answers[i].by_sum, best(sums));
    EXPECT_EQ(found.answers[i].by_byte, best(per_byte));
    EXPECT_EQ(found.right[i], found.answers[i].by_sum == records[i].answer ? 1 : 0);
    EXPECT_EQ(found.right_per_byte[i], found.answers[i].by_byte == records[i].answer ? 1 : 0);
    differ = differ || found.answers[i].by_sum != found.answers[i].by_byte;
  }
  EXPECT_TRUE(differ) << "the two rankings are never told apart";
}

TEST_F(Ability, ExactlyOneAnswerOfARecordIsRight) {
  std::string lines;
  for (int64_t answer = 0; answer < 4; ++answer) {
    lines += Json({{"prompt", "abc"}, {"choices", {"d", "ef", "ghi", "jjjj"}}, {"answer", answer}}).dump() + "\n";
  }
  const FileScore found = score("choices.jsonl", lines);
  EXPECT_EQ(found.kind, "multiple choice");
  EXPECT_EQ(value(found, "accuracy"), 0.25);
  EXPECT_EQ(value(found, "accuracy_per_byte"), 0.25);
  ASSERT_EQ(found.predictions.size(), 4u);
  EXPECT_THAT(found.predictions[2].at("place").get<std::string>(), HasSubstr("choices.jsonl:3"));
}

std::vector<AnswerRecord> prompts_of(const std::string& scorer) {
  std::vector<AnswerRecord> records;
  for (int64_t i = 0; i < 5; ++i) {
    std::vector<int64_t> prompt;
    for (int64_t t = 0; t <= i; ++t) prompt.push_back((3 * i + t) % 12);
    records.push_back({prompt, scorer, {"a"}, {}, "made.jsonl:" + std::to_string(i + 1)});
  }
  return records;
}

TEST_F(Ability, TextEndsBeforeTheFirstStop) {
  const auto records = prompts_of("exact");
  Rng rng(0);
  const auto run = [&](std::vector<std::string> stops) {
    return evaluate_generation(model_, tokenizer_->get(), records, {3, 6, std::move(stops)}, rng);
  };
  const GenerationTaskResult free = run({});
  EXPECT_EQ(free.tokens, 5 * 6);
  EXPECT_EQ(free.cut_off, 5);
  std::string stop;
  for (const Json& p : free.predictions) {
    EXPECT_EQ(p.at("text").get<std::string>().size(), 6u);
    if (stop.empty()) stop = p.at("text").get<std::string>().substr(2, 1);
  }
  const GenerationTaskResult found = run({"zz", stop});
  int64_t stopped = 0;
  for (size_t i = 0; i < records.size(); ++i) {
    const std::string text = free.predictions[i].at("text");
    const bool stops = text.find(stop) != std::string::npos;
    EXPECT_EQ(found.predictions[i].at("text"), text.substr(0, text.find(stop)));
    EXPECT_EQ(found.predictions[i].at("stopped"), stops ? "stop text" : "max tokens");
    stopped += stops;
  }
  EXPECT_EQ(found.cut_off, 5 - stopped);
}

TEST_F(Ability, AnAnswerThatTheModelGivesIsRight) {
  AbilitySpec spec;
  spec.max_tokens = 3;
  spec.stops = std::vector<std::string>{};
  Json record = {{"prompt", "ab"}, {"completion", "c"}, {"scorer", "exact"}, {"answers", {"none"}}};
  const FileScore wrong = score("task.jsonl", record.dump(), spec);
  EXPECT_EQ(wrong.kind, "generation task, exact");
  EXPECT_EQ(value(wrong, "accuracy"), 0);
  record["answers"] = {"x", wrong.predictions[0].at("text")};
  EXPECT_EQ(value(score("task.jsonl", record.dump(), spec), "accuracy"), 1);
}

TEST_F(Ability, TheDecodingIsPartOfTheResult) {
  const std::string line = R"({"prompt": "ab", "scorer": "exact", "answers": ["a"]})";
  AbilitySpec spec;
  spec.max_tokens = 3;
  spec.stops = std::vector<std::string>{};
  const Json found = score("task.jsonl", line, spec).decoding;
  EXPECT_EQ(found,
            Json({{"strategy", "greedy"}, {"max_tokens", 3}, {"stop", Json::array()}, {"end_tokens", Json::array()}}));
  EXPECT_EQ(score("task.jsonl", line).decoding.at("stop"), Json::array({"\n"})) << "the scorer's own";
}

TEST_F(Ability, EveryKindOfFileIsScored) {
  EXPECT_EQ(score("t.txt", "abcdefgh").kind, "text");
  const FileScore pairs = score("p.jsonl", R"({"good": "abc", "bad": "abd"})"
                                           "\n"
                                           R"({"good": "abd", "bad": "abc"})");
  EXPECT_EQ(pairs.kind, "minimal pairs");
  EXPECT_EQ(value(pairs, "accuracy"), 0.5);
  const FileScore records = score("r.jsonl", R"({"text": "abc", "readouts": [{"correct": "d", "wrong": "e"}]})"
                                             "\n"
                                             R"({"text": "abc", "readouts": [{"correct": "e", "wrong": "d"}]})");
  EXPECT_EQ(records.kind, "records");
  EXPECT_EQ(value(records, "accuracy"), 0.5);
  EXPECT_NEAR(value(records, "logit_diff"), 0, kFloat32);
  for (const FileScore* s : {&pairs, &records}) {
    for (const Measure& m : s->measures) {
      if (m.name != "accuracy") continue;
      EXPECT_TRUE(m.interval && m.interval->contains(0.5));
    }
  }
}

TEST_F(Ability, TooLongRecordsAreRefusedWithTheirLine) {
  const std::string longer(13, 'a');
  const std::vector<std::string> lines{
      R"({"prompt": ")" + longer + R"(", "scorer": "exact", "answers": ["a"]})",
      R"({"prompt": "a", "choices": ["b", ")" + longer + R"("], "answer": 0})",
      R"({"good": "ab", "bad": ")" + longer + R"("})",
  };
  for (const std::string& line : lines) {
    try {
      score("long.jsonl", line);
      ADD_FAILURE() << "accepted: " << line;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("long.jsonl:1"));
      EXPECT_THAT(error.what(), HasSubstr("12 positions"));
    }
  }
}

}  // namespace
}  // namespace circuit
