#include "task/importers/testing.h"

namespace circuit {
namespace {

Json sentence(const std::string& clean, const std::string& flipped, const std::vector<std::vector<int64_t>>& verbs) {
  Json row{{"clean_text", clean}, {"corr_text", flipped}};
  const char* keys[] = {"clean_verb_pos", "clean_verb_ids", "corr_verb_pos", "corr_verb_ids"};
  for (size_t i = 0; i < 4; ++i) row[keys[i]] = verbs[i];
  return row;
}

TEST_F(Importers, SubjectVerbReadsTheFlippedTextAndWantsTheWrongNumber) {
  const Json row = sentence("keys are old", "keys is old", {{4}, {61}, {4}, {60}});
  const Imported found =
      import_files("subject-verb", {write("a", row.dump())}, {&letters_, AnswerForm::kPromptCompletion});
  ASSERT_EQ(found.records.size(), 1u);
  EXPECT_EQ(found.records[0]["text_ids"], Json(letters_.encode("keys is old", SpecialTokens::kNone)));
  EXPECT_EQ(found.records[0]["readouts"],
            (Json::array({{{"position", 4}, {"correct_id", 60}, {"wrong_id", 61}, {"label", " is"}}})));
  const Dataset data = read(found.records);
  EXPECT_EQ(data.examples[0].readouts[0].label, " is");
  EXPECT_FALSE(data.begin_token);
}

TEST_F(Importers, SubjectVerbCountsWhatItMergesAndDrops) {
  const std::string text = "keys is old";
  const std::string lines =
      sentence("keys are old", text, {{4, 4}, {61, 61}, {4, 4}, {60, 60}}).dump() + "\n" +  // twice the same
      sentence("keys is old", text, {{4}, {60}, {4}, {60}}).dump() + "\n" +                 // one form
      sentence("keys are old", text, {{4}, {61}, {5}, {60}}).dump() + "\n" +                // not where it says
      sentence("keys are old", text, {{5}, {61}, {4}, {60}}).dump() + "\n" +                // untouched text disagrees
      sentence("are", " is", {{0}, {61}, {0}, {60}}).dump() + "\n" +                        // the first token
      sentence("keys are old", text, {{4}, {61}, {4, 5}, {60}}).dump() + "\n" +             // uneven lists
      sentence("keys are old", text, {{4}, {99}, {4}, {60}}).dump() + "\n";                 // no such id
  const Imported found = import_files("subject-verb", {write("a", lines)}, {&letters_, AnswerForm::kPromptCompletion});
  EXPECT_EQ(found.report.rows, 7);
  EXPECT_EQ(found.report.records, 2);
  EXPECT_EQ(found.report.refused, (Counts{{"lists of verbs of different lengths", 1}, {"no verb is left", 4}}));
  EXPECT_EQ(found.report.counts, (Counts{{"verbs", 2},
                                         {"verbs merged: position and id twice in a row", 1},
                                         {"verbs dropped: both forms are one token", 1},
                                         {"verbs dropped: the flipped text has another token there", 1},
                                         {"verbs dropped: nothing predicts the first token", 1},
                                         {"verbs dropped: the id is outside the vocabulary", 1},
                                         {"verbs kept: the untouched text has another token there", 1}}));
}

TEST(SubjectVerb, EveryPublishedSentenceIsARecordOrCounted) {
  if (!file_exists(kShared + "tasks/sva/dev_3000.jsonl")) GTEST_SKIP() << "../shared is absent";
  const Tokenizer gpt2 = Tokenizer::load(kShared + "tokenizers/gpt2");
  const ImportOptions options{&gpt2, AnswerForm::kPromptCompletion};
  const Imported dev = import_files("subject-verb", {kShared + "tasks/sva/dev_3000.jsonl"}, options);
  EXPECT_EQ(dev.report.rows, 3000);
  EXPECT_EQ(dev.report.counts.at("verbs"), 4691);
  EXPECT_EQ(dev.report.counts.at("verbs merged: position and id twice in a row"), 69);
  EXPECT_EQ(dev.report.counts.at("verbs dropped: both forms are one token"), 3);
  const Imported test = import_files("subject-verb", {kShared + "tasks/sva/test_3000.jsonl"}, options);
  EXPECT_EQ(test.report.rows, 3000);
  EXPECT_EQ(test.report.counts.at("verbs"), 4918);
  EXPECT_EQ(test.report.counts.at("verbs merged: position and id twice in a row"), 39);
  EXPECT_EQ(test.report.counts.at("verbs dropped: both forms are one token"), 2);
  for (const Imported* file : {&dev, &test}) {
    EXPECT_EQ(file->report.counts.count("verbs dropped: the flipped text has another token there"), 0u);
    for (const Json& record : file->records) {
      for (const Json& readout : record["readouts"]) {
        ASSERT_EQ(record["text_ids"][readout["position"].get<size_t>()], readout["correct_id"]) << record;
      }
    }
  }
}

}  // namespace
}  // namespace circuit
