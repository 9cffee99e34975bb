#include "task/importers/testing.h"

namespace circuit {
namespace {

using testing::HasSubstr;

TEST_F(Importers, EapIgCsvReadsBothPublishedPairsOfColumns) {
  const std::string a =
      write("a.csv", ",clean,corrupted,corrupted_hard,correct_idx,incorrect_idx\n7,\"ab, c\",abbb,x,3,4\n");
  const std::string b = write("b.csv", "clean,corrupted,answers_idx,corrupted_answers_idx\nab,ba,\"[1, 2]\",[5]\n");
  const Imported found = import_files("eap-ig-csv", {a, b});
  ASSERT_EQ(found.records.size(), 2u);
  EXPECT_EQ(found.records[0]["text"], "ab, c");
  EXPECT_EQ(found.records[0]["counterfactual"], "abbb");
  EXPECT_EQ(found.records[0]["readouts"][0], (Json{{"correct_id", {3}}, {"wrong_id", {4}}}));
  EXPECT_EQ(found.records[1]["readouts"][0], (Json{{"correct_id", {1, 2}}, {"wrong_id", {5}}}));
  EXPECT_EQ(find_importer("eap-ig-csv").begin_token, "always");
}

TEST_F(Importers, EapIgCsvWithATokenizerChecksLengthsAndIds) {
  const std::string path = write("a.csv",
                                 "clean,corrupted,correct_idx,incorrect_idx\nabc,cba,1,2\nabc,ab,1,2\nabc,"
                                 "cba,1,1\n,cba,1,2\nabc,cba,1,200\n");
  const Imported found = import_files("eap-ig-csv", {path}, {&letters_, AnswerForm::kPromptCompletion});
  EXPECT_EQ(found.report.records, 1);
  EXPECT_EQ(found.report.refused, (Counts{{"a text is empty", 1},
                                          {"an id is outside the vocabulary", 1},
                                          {"an answer is in both lists", 1},
                                          {"clean and corrupted have different numbers of tokens", 1}}));
  EXPECT_THAT(refusal("eap-ig-csv", "clean,corrupted,label\na,b,1\n"),
              HasSubstr("found columns 'clean', 'corrupted', 'label'"));
  EXPECT_THAT(refusal("eap-ig-csv", "clean,corrupted,correct_idx,incorrect_idx\na,b,x,1\n"),
              HasSubstr("bad:2] correct_idx: found 'x'"));
}

TEST_F(Importers, Gsm8kKeepsTheAnswerAndItsNumber) {
  const std::string path =
      write("g.jsonl", R"({"question": "How many?", "answer": "10*100=<<10*100=1000>>1,000\n#### 1,000"})"
                       "\n"
                       R"({"question": "How?", "answer": "So."})"
                       "\n");
  const Imported plain = import_files("gsm8k", {path});
  ASSERT_EQ(plain.records.size(), 1u);
  EXPECT_EQ(plain.records[0], (Json{{"prompt", "Question: How many?\nAnswer:"},
                                    {"completion", " 10*100=<<10*100=1000>>1,000\n#### 1,000"},
                                    {"scorer", "number"},
                                    {"answers", {"1000"}}}));
  EXPECT_EQ(plain.report.refused, (Counts{{"no number after ####", 1}}));
  const Imported chat = import_files("gsm8k", {path}, {nullptr, AnswerForm::kMessages});
  EXPECT_EQ(chat.records[0]["messages"][0], (Json{{"role", "user"}, {"content", "How many?"}}));
  EXPECT_EQ(chat.records[0]["messages"][1]["content"], "10*100=<<10*100=1000>>1,000\n#### 1,000");
  EXPECT_FALSE(chat.records[0].contains("prompt"));
}

// The scorer and the authors' own evaluation take the first marked number of a text.
TEST_F(Importers, Gsm8kTakesTheFirstMarkedNumber) {
  const auto number = [&](const std::string& answer) {
    const Json row = {{"question", "?"}, {"answer", answer}};
    const Imported found = import_files("gsm8k", {write("n.jsonl", row.dump() + "\n")});
    return found.records.empty() ? "" : found.records[0]["answers"][0].get<std::string>();
  };
  EXPECT_EQ(number("a #### 5 #### 6"), "5");
  EXPECT_EQ(number("a #### b #### 6"), "6");
  EXPECT_EQ(number("#### -1,234.5"), "-1234.5");
  EXPECT_EQ(number("#### $12."), "12");
  EXPECT_EQ(number("#### 12 apples"), "12");
  EXPECT_EQ(number("#### ,"), "");
}

TEST_F(Importers, ContextHubTakesTheFormulasAnswer) {
  const std::string path = write("c.json", R"([{"question": [], "answer": false, "sport": {
      "Rowing": {"<nl>": "\nIf it rains, …?\n", "gold_cot": "So.\n\nThus, the answer is <answer>False</answer>"},
      "Golf": {"<nl>": "Is it?", "gold_cot": "Thus, the answer is <answer>True</answer>"}}},
      {"question": [], "answer": "N/A", "abstract": {"0": {"<nl>": "a -> b?"}}}])");
  const Imported found = import_files("contexthub", {path});
  ASSERT_EQ(found.records.size(), 2u);
  EXPECT_THAT(found.records[0]["prompt"].get<std::string>(), testing::StartsWith("If it rains, …?\nThink"));
  EXPECT_EQ(found.records[0]["completion"], " So.\n\nThus, the answer is <answer>False</answer>");
  EXPECT_EQ(found.records[0]["answers"], Json({"False"}));
  EXPECT_EQ(found.records[0]["labels"], Json({"True", "False", "N/A"}));
  EXPECT_EQ(found.records[1]["completion"], " Thus, the answer is <answer>N/A</answer>");
  EXPECT_EQ(found.report.refused, (Counts{{"the chain of thought ends in another answer", 1}}));
  EXPECT_THAT(refusal("contexthub", R"([{"answer": "maybe"}])"), HasSubstr("bad:[0]] answer: found \"maybe\""));
  EXPECT_THAT(refusal("contexthub", "{}"), HasSubstr("expected ContextHub's list"));
}

TEST_F(Importers, SquadSaysWhatHasNoAnswer) {
  const std::string path =
      write("s.json",
            R"({"version": "v2.0", "data": [{"title": "T", "paragraphs": [{"context": "Rollo led.", "qas": [
      {"id": "1", "question": "Who?", "is_impossible": false, "answers": [{"text": "Rollo", "answer_start": 0}, {"text": "Rollo", "answer_start": 0}, {"text": "Rollo led", "answer_start": 0}]},
      {"id": "2", "question": "Why?", "is_impossible": true, "answers": [], "plausible_answers": [{"text": "led", "answer_start": 6}]},
      {"id": "3", "question": "When?", "answers": []},
      {"id": "4", "question": "Where?", "is_impossible": false, "answers": []}]}]}]})");
  const Imported found = import_files("squad", {path});
  ASSERT_EQ(found.records.size(), 2u);
  EXPECT_THAT(found.records[0]["prompt"].get<std::string>(), testing::StartsWith("Rollo led.\n\n"));
  EXPECT_THAT(found.records[0]["prompt"].get<std::string>(), testing::EndsWith("Question: Who?\nAnswer:"));
  EXPECT_EQ(found.records[0]["completion"], " Rollo");
  EXPECT_EQ(found.records[0]["answers"], Json({"Rollo", "Rollo led"}));
  EXPECT_EQ(found.records[1]["completion"], " unanswerable");
  EXPECT_EQ(found.records[1]["answers"], Json::array());
  EXPECT_EQ(found.report.refused, (Counts{{"marked possible, but has no answer", 1},
                                          {"whether it has an answer is not given (a test file)", 1}}));
}

TEST_F(Importers, SquadOneHasNoMarkOfWhatIsImpossible) {
  const std::string path = write("s1.json", R"({"version": "1.1", "data": [{"title": "T", "paragraphs": [{
      "context": "Rollo led.", "qas": [{"id": "1", "question": "Who?", "answers": [{"text": "Rollo", "answer_start": 0}]},
      {"id": "2", "question": "Why?"}]}]}]})");
  const Imported found = import_files("squad", {path});
  ASSERT_EQ(found.records.size(), 1u);
  EXPECT_EQ(found.records[0]["answers"], Json({"Rollo"}));
  EXPECT_EQ(found.report.counts, (Counts{{"questions with an answer", 1}}));
  EXPECT_EQ(found.report.refused, (Counts{{"whether it has an answer is not given (a test file)", 1}}));
}

TEST(Questions, EveryPublishedRowIsARecordOrCounted) {
  const std::string tasks = kShared + "tasks/";
  if (!file_exists(tasks + "gsm8k/train.jsonl")) GTEST_SKIP() << "../shared is absent";
  const Imported gsm8k = import_files("gsm8k", {tasks + "gsm8k/train.jsonl", tasks + "gsm8k/test.jsonl"});
  EXPECT_EQ(gsm8k.report.records, 7473 + 1319);
  const Imported squad = import_files("squad", {tasks + "squad/cs224n_dev-v2.0.json"});
  EXPECT_EQ(squad.report.counts, (Counts{{"questions with an answer", 2910}, {"questions without an answer", 3168}}));
  const Imported hidden = import_files("squad", {tasks + "squad/cs224n_test-v2.0.json"});
  EXPECT_EQ(hidden.report.refused, (Counts{{"whether it has an answer is not given (a test file)", 5915}}));
  const std::string hub = tasks + "contexthub/data_level1/";
  const Imported thoughts =
      import_files("contexthub", {hub + "abductive_logic_traincot.json", hub + "deductive_logic_traincot.json"});
  EXPECT_EQ(thoughts.report.records, 960);
  EXPECT_EQ(thoughts.report.counts, (Counts{{"answers with a chain of thought", 960}}));
}

}  // namespace
}  // namespace circuit
