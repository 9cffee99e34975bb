#include <sstream>

#include "io/csv.h"
#include "task/importers/pronouns.h"
#include "task/importers/testing.h"

namespace circuit {
namespace {

using testing::HasSubstr;

std::string her_becomes(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  size_t at = 0;
  for (std::string word; in >> word;) {
    if (word == "her") at = words.size();
    words.push_back(word);
  }
  return read_her(words, at).opposite;
}

TEST(HerRule, IsPossessiveBeforeANounPhrase) {
  EXPECT_EQ(her_becomes("the nurse met her mother ."), "his");
  EXPECT_EQ(her_becomes("the nurse saw her very first patient"), "his");
  EXPECT_EQ(her_becomes("praised for her \" radical writing \""), "his");
  EXPECT_EQ(her_becomes("an author in her all - time favourite"), "his");
  EXPECT_EQ(her_becomes("the singer made her debut"), "his");
}

TEST(HerRule, IsAnObjectElsewhere) {
  EXPECT_EQ(her_becomes("the nurse met her"), "him");
  EXPECT_EQ(her_becomes("the nurse met her ."), "him");
  EXPECT_EQ(her_becomes("very patient with [ her ] not knowing"), "him");
  EXPECT_EQ(her_becomes("the nurse met her in Rome"), "him");
  EXPECT_EQ(her_becomes("the officer lets her go"), "him");
  EXPECT_EQ(her_becomes("said the nurse about her \" ."), "him");
}

TEST_F(Importers, BugSetsEachPronounAgainstItsOpposite) {
  const std::string path = write("bug.csv",
                                 ",sentence_text,profession,g,g_first_index\n"
                                 "1,the Nurse said that She left .,Nurse,she,4\n"
                                 "2,the cook and his dog,cook,his,3\n"
                                 "3,the cook met her in a café .,cook,her,3\n"
                                 "4,She met the cook,cook,she,0\n"
                                 "5,the cook met her,cook,her,2\n"
                                 "6,the cook met it,cook,it,3\n"
                                 "7,the cook hurt himself .,cook,himself,3\n");
  const Imported found = import_files("bug", {path});
  ASSERT_EQ(found.records.size(), 4u);
  EXPECT_EQ(found.records[0],
            (Json{{"text", "the Nurse said that She left ."},
                  {"occupation", "nurse"},
                  {"gender", "female"},
                  {"readouts", Json::array({{{"byte", 20}, {"correct", " She"}, {"wrong", " He"}}})}}));
  EXPECT_EQ(found.records[1]["readouts"][0], (Json{{"byte", 13}, {"correct", " his"}, {"wrong", " her"}}));
  EXPECT_EQ(found.records[2]["readouts"][0]["wrong"], " him");
  EXPECT_EQ(found.records[3]["readouts"][0]["wrong"], " herself");
  EXPECT_EQ(found.report.refused, (Counts{{"the pronoun is the first word, which nothing predicts", 1},
                                          {"the pronoun is not the word at g_first_index", 1},
                                          {"the word is no pronoun with an opposite", 1}}));
  EXPECT_EQ(
      found.report.counts,
      (Counts{{"her → him: a function word follows", 1}, {"himself → herself", 1}, {"his → her", 1}, {"she → he", 1}}));
  EXPECT_THAT(refusal("bug", "sentence_text,profession,g,g_first_index\na,b,he,x\n"),
              HasSubstr("bad:2] g_first_index: found 'x'"));
}

TEST_F(Importers, APronounOfSeveralTokensIsReadAtItsFirst) {
  const std::string path =
      write("bug.csv", "sentence_text,profession,g,g_first_index\nthe cook said she left,cook,she,3\n");
  const Imported found = import_files("bug", {path}, {&letters_, AnswerForm::kPromptCompletion});
  ASSERT_EQ(found.records.size(), 1u);
  const Json expected{{"byte", 14}, {"correct_id", 's' - 'a'}, {"wrong_id", 'h' - 'a'}, {"label", " she"}};
  EXPECT_EQ(found.records[0]["readouts"][0], expected);
  EXPECT_EQ(found.report.counts.at("records with the ids of first tokens"), 1);
  // As the reader of records understands it: the token before the pronoun is the space.
  const Example example = read(found.records).examples.at(0);
  EXPECT_EQ(example.readouts[0].position, 14);
  EXPECT_EQ(example.ids[14], 's' - 'a');
  EXPECT_EQ(example.occupation, "cook");
  EXPECT_EQ(example.gender, Gender::kFemale);

  const std::string same =
      write("bug.csv", "sentence_text,profession,g,g_first_index\nthe cook left his dog,cook,his,3\n");
  EXPECT_EQ(import_files("bug", {same}, {&letters_, AnswerForm::kPromptCompletion}).report.refused,
            (Counts{{"both pronouns begin with the same token", 1}}));
}

TEST(Bug, EveryPublishedRowIsARecordOrCounted) {
  const std::string path = kShared + "tasks/bug/balanced_BUG.csv";
  if (!file_exists(path)) GTEST_SKIP() << "../shared is absent";
  const Imported found = import_files("bug", {path});
  EXPECT_EQ(found.report.rows, 25504);
  EXPECT_EQ(found.report.refused.at("the pronoun is not the word at g_first_index"), 23);
  for (const auto& [reason, count] : found.report.refused) RecordProperty("refused: " + reason, std::to_string(count));
  for (const Json& record : found.records) {
    const std::string text = record["text"];
    const Json& readout = record["readouts"][0];
    const std::string word =
        readout["correct"].get<std::string>().substr(text[readout["byte"].get<size_t>() - 1] == ' ' ? 1 : 0);
    ASSERT_EQ(text.substr(readout["byte"].get<size_t>(), word.size()), word);
  }
}

// The labels are one reader's, of rows drawn at random (docs/tasks.md).
TEST(HerRule, AgreesWithTheLabelledRows) {
  const std::string path = kShared + "tasks/bug/balanced_BUG.csv";
  if (!file_exists(path)) GTEST_SKIP() << "../shared is absent";
  std::map<int64_t, std::string> labels;
  std::istringstream lines(read_file(std::string(CIRCUIT_SOURCE_DIR) + "/tests/bug_her_labels.tsv"));
  for (std::string line; std::getline(lines, line);) {
    if (line[0] != '#') labels[std::stoll(line)] = line.substr(line.find('\t') + 1);
  }
  ASSERT_EQ(labels.size(), 200u);
  int64_t row_number = 0;
  int64_t right = 0;
  int64_t right_him = 0;
  each_csv_row(read_file(path), path, [&](const CsvRow& row) {
    const auto label = labels.find(++row_number);
    if (label == labels.end()) return;
    std::vector<std::string> words{""};
    for (const char c : row.at("sentence_text")) {
      if (c == ' ') words.emplace_back();
      if (c != ' ') words.back() += c;
    }
    const bool agrees = read_her(words, std::stoul(row.at("g_first_index"))).opposite == label->second;
    right += agrees;
    right_him += agrees && label->second == "him";
  });
  // The figures of docs/tasks.md.
  EXPECT_EQ(right, 195);
  EXPECT_EQ(right_him, 6);
}

std::string wino(const std::string& bracketed, const std::string& pronoun, const std::string& occupation = "the Cook") {
  std::string sentence;
  for (const char c : bracketed) {
    if (c != '[' && c != ']') sentence += c;
  }
  return Json{{"sentence", sentence}, {"orig_sentence", bracketed}, {"pronoun", pronoun}, {"occupation", occupation}}
             .dump() +
         "\n";
}

TEST_F(Importers, WinoBiasTakesTheOppositeFromThePartnersLine) {
  const std::string pro =
      write("pro", wino("I met [the cook] and told her that [her] dog bit [her].", "her") +
                       wino("It woke [the cook], for [him] to see.", "him", "A construction worker") +
                       wino("We saw [the cook] and [he] ran.", "he") + wino("We saw [the cook] by him.", "him") +
                       wino("We met [the cook] and [her] dog.", "her"));
  const std::string anti =
      write("anti", wino("I met [the cook] and told her that [his] dog bit [him].", "his") +
                        wino("It woke [the cook], for [him] to see.", "him") +
                        wino("We saw [the cook] and [him] ran.", "her") + wino("We saw [the cook] by her.", "her") +
                        wino("We met [a cook] and [his] dog.", "his"));
  const Imported found = import_files("winobias", {pro, anti});
  ASSERT_EQ(found.records.size(), 2u);
  EXPECT_EQ(found.records[0]["text"], "I met the cook and told her that her dog bit her.");
  EXPECT_EQ(found.records[0]["readouts"][0], (Json{{"byte", 33}, {"correct", " her"}, {"wrong", " his"}}));
  EXPECT_EQ(found.records[0]["occupation"], "cook");
  EXPECT_EQ(found.records[0]["gender"], "female");
  EXPECT_EQ(found.report.refused, (Counts{{"both pronouns are of one gender", 1},
                                          {"the pronouns are not each other's opposite", 1},
                                          {"the sentence has no bracketed pronoun", 1}}));
  EXPECT_EQ(found.report.counts, (Counts{{"records whose partner differs in more than the pronoun", 2}}));
  EXPECT_THROW(import_files("winobias", {pro, write("short", wino("[she] ran", "she"))}), Error);
}

TEST(WinoBias, PublishedFilesKeepAllButTheSlips) {
  const std::string folder = kShared + "tasks/winobias/";
  if (!file_exists(folder + "pro_stereotyped_type2_test.jsonl")) GTEST_SKIP() << "../shared is absent";
  const auto files = [&](const std::string& split) {
    return std::vector<std::string>{folder + "pro_stereotyped_type2_" + split + ".jsonl",
                                    folder + "anti_stereotyped_type2_" + split + ".jsonl"};
  };
  const Imported test = import_files("winobias", files("test"));
  EXPECT_EQ(test.report.refused, (Counts{{"both pronouns are of one gender", 2}}));
  EXPECT_EQ(test.report.records, 394);
  const Imported dev = import_files("winobias", files("dev"));
  EXPECT_EQ(dev.report.refused, (Counts{{"the pronouns are not each other's opposite", 2}}));
  std::map<std::string, int64_t> occupations;
  for (const Json& record : test.records) ++occupations[record["occupation"]];
  EXPECT_EQ(occupations.size(), 40u);
}

}  // namespace
}  // namespace circuit
