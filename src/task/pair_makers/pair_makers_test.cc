#include "task/pair_makers/testing.h"

namespace circuit {
namespace {

using testing::HasSubstr;

const char* const kGiving = "When Mary and John met, John gave it to Mary.";

// One of the texts with one of the words between.
auto with_one_of(const std::vector<std::string>& words, const std::string& before, const std::string& behind) {
  std::vector<std::string> texts;
  for (const std::string& word : words) texts.push_back(before + word + behind);
  return testing::AnyOfArray(texts);
}

TEST_F(PairMakers, NamesPutAThirdNameForTheSecondMention) {
  const MadePairs made = make("names", kGiving);
  ASSERT_EQ(made.records.size(), 1u);
  const Json& record = made.records[0];
  EXPECT_EQ(record["text"], "When Mary and John met, John gave it to");
  EXPECT_EQ(record["readouts"][0], (Json{{"correct", " Mary"}, {"wrong", " John"}}));
  const std::string other = record["counterfactual"];
  EXPECT_THAT(other, with_one_of({"Tom", "Anna", "Paul"}, "When Mary and John met, ", " gave it to"));
  const std::vector<std::string> span_names{"IO", "S1", "S2"};
  ASSERT_EQ(record["spans"].size(), 3u);
  for (const std::string& name : span_names) EXPECT_TRUE(record["spans"].contains(name));
  EXPECT_LT(record["spans"]["IO"][0], record["spans"]["S1"][0]);
  EXPECT_LT(record["spans"]["S1"][0], record["spans"]["S2"][0]);
}

TEST_F(PairMakers, NamesThatAreLeftOutAtTheEndAreKnownAllTheSame) {
  EXPECT_EQ(make("names", "When Mary and John met, John gave it to").records, make("names", kGiving).records);
}

TEST_F(PairMakers, DrawsDependOnTheSeedAndTheLineAlone) {
  std::set<std::string> drawn;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const MadePairs made = make("names", kGiving, {}, seed);
    EXPECT_EQ(made.records, make("names", kGiving, {}, seed).records);
    drawn.insert(made.records[0]["counterfactual"].get<std::string>());
  }
  EXPECT_EQ(drawn.size(), 3u);
  const std::string after = std::string("Nobody is here.\n") + kGiving;
  EXPECT_EQ(make("names", after, {}, 3).records, make("names", std::string("Tom met Tom.\n") + kGiving, {}, 3).records);
}

TEST_F(PairMakers, NamesAreRefusedWhereTheAnswerIsNotSure) {
  EXPECT_EQ(reason("names", "They met."), "no name of the list");
  EXPECT_THAT(reason("names", "John met John."), HasSubstr("one name alone"));
  EXPECT_EQ(reason("names", "Mary met John and Tom."), "more than two names");
  EXPECT_EQ(reason("names", "When Mary and John met, John gave it away."), "the text ends behind the answer");
  EXPECT_EQ(reason("names", "Mary met John and gave"), "the text does not say which name is the answer");
  EXPECT_EQ(reason("names", "Mary met John."), "a name stands in the answer alone");
  EXPECT_EQ(reason("names", "Mary saw John. Then Mary called John and John saw Mary"),
            "not one name named once, the other twice and last");
}

TEST_F(PairMakers, NamesTakeTheUsersAndPossessives) {
  const std::string line = "Zoe and John met in John's house, and John saw Zoe";
  EXPECT_THAT(reason("names", line), HasSubstr("one name alone"));
  EXPECT_THAT(reason("names", line, {{"names", {"Zoe"}}}), HasSubstr("named once"));  // John stands three times
  EXPECT_THAT(error("names", line, {{"names", {"Zoe Ann"}}}), HasSubstr("names: found 'Zoe Ann'"));
  const MadePairs made = make("names", "Mary and John met in John's house and saw Mary");
  EXPECT_THAT(made.records.at(0)["counterfactual"].get<std::string>(),
              with_one_of({"Tom", "Anna", "Paul"}, "Mary and John met in ", "'s house and saw"));
}

TEST_F(PairMakers, SwappedNamesAreExchangedWhereverTheyStand) {
  const MadePairs made = make("swapped-names", kGiving);
  ASSERT_EQ(made.records.size(), 1u);
  EXPECT_EQ(made.records[0]["counterfactual"], "When John and Mary met, Mary gave it to");
  EXPECT_EQ(made.records[0]["readouts"][0], (Json{{"correct", " Mary"}, {"wrong", " John"}}));
  EXPECT_THAT(reason("swapped-names", "When Mary and John met, he gave it to Mary"), HasSubstr("one gender"));
}

TEST_F(PairMakers, NumbersChangeWhereverTheyStandAndTheLastIsRead) {
  const MadePairs made = make("numbers", "Room 47 is far. We are in 47.");
  ASSERT_EQ(made.records.size(), 1u);
  const Json& record = made.records[0];
  EXPECT_EQ(record["text"], "Room 47 is far. We are in");
  EXPECT_THAT(record["counterfactual"].get<std::string>(), with_one_of({"52", "61"}, "Room ", " is far. We are in"));
  EXPECT_EQ(record["readouts"][0]["correct"], " 47");
  // As the counterfactual has it.
  EXPECT_EQ("Room" + record["readouts"][0]["wrong"].get<std::string>() + " is far. We are in",
            record["counterfactual"]);
}

TEST_F(PairMakers, AnswersOfSeveralTokensAreReadWhereTheyFirstDiffer) {
  // " 93" is no token here: " ", "9" and "3" are.
  const MadePairs made = make("numbers", "Bus 93 left. It was 93");
  ASSERT_EQ(made.records.size(), 1u);
  EXPECT_EQ(made.report.counts.at("read at the first token in which the answers differ"), 1);
  EXPECT_EQ(made.records[0]["text"], "Bus 93 left. It was ");
  EXPECT_EQ(made.records[0]["readouts"][0]["correct_id"], '9');
  EXPECT_EQ(made.records[0]["readouts"][0]["label"], " 93");
}

TEST_F(PairMakers, NumbersWithAnswersChangeOne) {
  const Json line = {{"text", "47 is less than"}, {"answer", " 52"}, {"wrong", " 61"}};
  const MadePairs made = make("numbers", line.dump());
  ASSERT_EQ(made.records.size(), 1u);
  EXPECT_EQ(made.records[0]["text"], "47 is less than");
  EXPECT_NE(made.records[0]["counterfactual"], "47 is less than");
  EXPECT_EQ(made.records[0]["readouts"][0], (Json{{"correct", " 52"}, {"wrong", " 61"}}));
  EXPECT_THAT(error("numbers", "{\"text\": \"47\", \"answer\": \"a\"}"), HasSubstr("answer and wrong come together"));
  EXPECT_THAT(error("numbers", "{\"text\": \"47\", \"answer\": \"\", \"wrong\": \"a\"}"), HasSubstr("are empty"));
  EXPECT_EQ(reason("numbers", "{\"text\": \"47 is\", \"answer\": \" 52\", \"wrong\": \" 52\"}"),
            "one answer begins with the other");
}

TEST_F(PairMakers, NumbersAreWholeAndSaidBefore) {
  EXPECT_EQ(reason("numbers", "No number."), "no whole number");
  EXPECT_EQ(reason("numbers", "B12 and 3.5 and 1,000 and 12:30 and 5th."), "no whole number");
  EXPECT_THAT(reason("numbers", "47 men left"), HasSubstr("does not end in a number"));
  EXPECT_THAT(reason("numbers", "47 men and 52"), HasSubstr("does not stand earlier"));
  EXPECT_THAT(reason("numbers", "47"), HasSubstr("does not stand earlier"));
}

TEST_F(PairMakers, SpansChangePlaces) {
  const Json line = {{"text", "John has the red key, Mary the blue key. John has the"},
                     {"spans", {{"his", "red"}, {"hers", "blue"}}},
                     {"answer", " red"},
                     {"wrong", " blue"}};
  const MadePairs made = make("swapped-spans", line.dump());
  ASSERT_EQ(made.records.size(), 1u);
  EXPECT_EQ(made.records[0]["counterfactual"], "John has the blue key, Mary the red key. John has the");
  const Example e = read_record(made.records[0], "record", tokenizer_, {});
  for (const Span& span : e.spans) {
    EXPECT_EQ(span.begin, span.end);
    EXPECT_EQ(tokenizer_.get().token_text(e.ids[span.begin]), span.name == "his" ? " red" : " blue");
  }
}

TEST_F(PairMakers, SpansKeepTheReadoutsOfTheRecord) {
  Json line = {{"text", "John has the red key and the blue key."}, {"a", "red"}, {"b", "blue key"}};
  line["readouts"] = Json::array({{{"byte", 29}, {"correct", " blue"}, {"wrong", " red"}}});
  EXPECT_EQ(reason("swapped-spans", line.dump()), "the change moves tokens beside it");
  line["b"] = "blue";
  EXPECT_EQ(make("swapped-spans", line.dump()).records.at(0)["readouts"], line["readouts"]);
  line["readouts"][0]["byte"] = 9;
  line["readouts"][0]["correct"] = " the";
  EXPECT_EQ(reason("swapped-spans", line.dump()), "nothing differs before a readout");
  line["readouts"][0]["byte"] = 99;
  EXPECT_THAT(error("swapped-spans", line.dump()), AllOf(HasSubstr("in.jsonl:1"), HasSubstr("byte: 99")));
}

TEST_F(PairMakers, SpansStandOnceAndApart) {
  const auto of = [](const char* a, const char* b) {
    return Json{{"text", "the red key and the blue key"}, {"a", a}, {"b", b}, {"answer", " red"}, {"wrong", " blue"}}
        .dump();
  };
  EXPECT_EQ(reason("swapped-spans", of("red", "green")), "a span does not stand in the text");
  EXPECT_EQ(reason("swapped-spans", of("red", "key")), "a span stands in the text twice");
  EXPECT_EQ(reason("swapped-spans", of("red", "red key")), "the spans overlap");
  EXPECT_THAT(error("swapped-spans", of("", "red")), HasSubstr("a: is empty"));
  EXPECT_THAT(error("swapped-spans", "the red key\n"), AllOf(HasSubstr("in.txt:1"), HasSubstr("key 'a' is missing")));
  EXPECT_THAT(error("swapped-spans", R"({"text": "a b", "a": "a", "b": "b"})"),
              HasSubstr("expected 'answer' and 'wrong'"));
  EXPECT_THAT(error("swapped-spans", R"({"text": "a b", "spans": {"a": "a"}, "answer": "c", "wrong": "d"})"),
              HasSubstr("an object of two strings"));
  EXPECT_THAT(error("swapped-spans", R"({"text": "a b", "a": "a", "spans": {}, "answer": "c", "wrong": "d"})"),
              HasSubstr("give one"));
}

}  // namespace
}  // namespace circuit
