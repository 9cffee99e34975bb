#include "task/pair_makers/testing.h"
#include "task/pair_makers/words.h"

namespace circuit {
namespace {

using testing::HasSubstr;

TEST(WordsOf, KeepsJointsAndSeesWhatStandsBetween) {
  const std::vector<Word> words = words_of("John's half-drawn, \xE2\x80\x94 B12 l\xC3\xA9g'");
  ASSERT_EQ(words.size(), 4u);
  EXPECT_EQ(words[0].text, "John's");
  EXPECT_FALSE(words[0].adjoins);
  EXPECT_EQ(words[1].text, "half-drawn");
  EXPECT_TRUE(words[1].adjoins);
  EXPECT_EQ(words[2].text, "B12");
  EXPECT_FALSE(words[2].adjoins);
  EXPECT_EQ(words[3].text, "l\xC3\xA9g");
}

TEST(WordPairs, KeepTheCaseOfTheFirstLetter) {
  const WordPairs nouns = common_nouns();
  EXPECT_EQ(nouns.find("Women")->other, "Woman");
  EXPECT_TRUE(nouns.find("women")->is_plural);
  EXPECT_EQ(nouns.find("city")->other, "cities");
  EXPECT_FALSE(nouns.find("city")->is_plural);
  EXPECT_FALSE(nouns.find("KEYS").has_value());
}

TEST_F(PairMakers, AgreementChangesTheSubjectAndReadsTheVerb) {
  const MadePairs made = make("agreement", "The keys to the house are old.\n\nThe man was old.\n");
  EXPECT_EQ(made.report.lines, 2);
  ASSERT_EQ(made.records.size(), 2u);
  EXPECT_EQ(made.records[0], (Json{{"text", "The keys to the house"},
                                   {"counterfactual", "The key to the house"},
                                   {"spans", {{"subject", {1, 1}}}},
                                   {"readouts", {{{"correct", " are"}, {"wrong", " is"}}}}}));
  EXPECT_EQ(made.records[1]["counterfactual"], "The men");
  EXPECT_EQ(made.records[1]["readouts"][0]["wrong"], " were");
}

TEST_F(PairMakers, AgreementOfSeveralVerbsIsARecordEach) {
  const MadePairs made = make("agreement", "{\"text\": \"The keys are old, but the man near the door has these.\"}\n");
  ASSERT_EQ(made.records.size(), 2u);
  EXPECT_EQ(made.records[1]["text"], "The keys are old, but the man near the door");
  EXPECT_EQ(made.records[1]["counterfactual"], "The keys are old, but the men near the door");
}

TEST_F(PairMakers, AgreementChangesADemonstrativeWithItsNoun) {
  EXPECT_EQ(make("agreement", "This old man is here.").records.at(0)["counterfactual"], "These old men");
  EXPECT_EQ(make("agreement", "We know that those boys are here.").records.at(0)["counterfactual"],
            "We know that that boy");
}

TEST_F(PairMakers, AgreementIsMadeOnlyWhereTheSubjectIsSure) {
  EXPECT_EQ(reason("agreement", "He walks."), "no verb of the list");
  EXPECT_EQ(reason("agreement", "Are the men old?"), "no verb of the list");
  for (const char* line : {"They are old.", "are", "The sky is blue.", "The man, it is said, left"}) {
    EXPECT_THAT(reason("agreement", line), HasSubstr("no noun phrase with a noun of the list")) << line;
  }
  for (const char* line : {"Men are old.", "A man is old.", "Two men are old.", "Every old man is here.",
                           "The two men are old.", "this men are"}) {
    EXPECT_THAT(reason("agreement", line), HasSubstr("no determiner that fits both numbers")) << line;
  }
  for (const char* line : {"The man and the boy are old.", "The men selling the keys are old.",
                           "The men who own the keys are old.", "Near the house is a man.", "If only the men are"}) {
    EXPECT_THAT(reason("agreement", line), HasSubstr("does not begin its clause")) << line;
  }
  EXPECT_THAT(reason("agreement", "The men was old."), HasSubstr("does not agree"));
  EXPECT_THAT(reason("agreement", "The man near the keys were old."), HasSubstr("does not agree"));
}

TEST_F(PairMakers, AgreementTakesTheUsersWords) {
  EXPECT_EQ(reason("agreement", "The man hums."), "no verb of the list");
  const MadePairs made = make("agreement", "The man hums.", {{"verbs", {"hums:hum"}}});
  EXPECT_EQ(made.records.at(0)["readouts"][0], (Json{{"correct", " hums"}, {"wrong", " hum"}}));
  EXPECT_EQ(make("agreement", "The red is old.", {{"nouns", {"red:blue"}}}).records.at(0)["counterfactual"],
            "The blue");
  for (const char* wrong : {"hums", "hums:", ":hum", "a b:c", "hums:hums", "Hums:hum"}) {
    EXPECT_THAT(error("agreement", "The man hums.", {{"verbs", {wrong}}}),
                AllOf(HasSubstr("verbs: found '" + std::string(wrong)), HasSubstr("SINGULAR:PLURAL")));
  }
  EXPECT_THAT(error("agreement", "The man is", {{"names", {"Zoe"}}}), HasSubstr("names: it has no list"));
}

TEST_F(PairMakers, APairOfUnequalLengthIsRefusedAndSaid) {
  EXPECT_EQ(reason("agreement", "The doctor is old."), "the counterfactual is another number of tokens");
}

TEST_F(PairMakers, APairStandsOnce) {
  const MadePairs made = make("agreement", "The man is old.\nThe man is here.\n");
  EXPECT_EQ(made.report.records, 1);
  EXPECT_EQ(made.report.refused, (std::map<std::string, int64_t>{{"the same pair was made before", 1}}));
}

TEST_F(PairMakers, AFileIsReadLineByLine) {
  EXPECT_THAT(error("agreement", "The man is\n\xFF\n"), AllOf(HasSubstr("in.txt:2"), HasSubstr("UTF-8")));
  EXPECT_THAT(error("agreement", "{\"text\": \"a\"}\n{\"txt\": \"a\"}\n"),
              AllOf(HasSubstr("in.jsonl:2"), HasSubstr("txt")));
  EXPECT_THAT(error("agreement", "{\"text\": \" \"}\n"), AllOf(HasSubstr("in.jsonl:1"), HasSubstr("text: is empty")));
  EXPECT_THAT(error("agreement", "{\"text\": \"a\", \"answer\": \"b\"}\n"), HasSubstr("answer"));
  EXPECT_THAT(error("agrement", "a"), AllOf(HasSubstr("'agrement' is not known"), HasSubstr("swapped-spans")));
  EXPECT_EQ(make("agreement", "\xEF\xBB\xBFThe man is old.\r\n").records.at(0)["text"], "The man");
}

}  // namespace
}  // namespace circuit
