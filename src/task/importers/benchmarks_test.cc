// MMLU, GPQA and MGSM: rows written by hand in the forms that are published.
#include "task/importers/testing.h"

namespace circuit {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

TEST_F(Importers, MmluTakesTheSubjectOfTheFilesName) {
  const std::string path = write("high_school_physics_test.csv",
                                 "\"What, if\nanything, is \"\"it\"\"? \",one,\"two, or\",three,4,C\r\n,a,b,c,d,A\n");
  const Imported found = import_files("mmlu", {path});
  ASSERT_EQ(found.records.size(), 1u);
  EXPECT_EQ(found.records[0],
            (Json{{"prompt",
                   "The following are multiple choice questions (with answers) about high school physics.\n\n"
                   "What, if\nanything, is \"it\"?\nA. one\nB. two, or\nC. three\nD. 4\nAnswer:"},
                  {"choices", {" A", " B", " C", " D"}},
                  {"answer", 2},
                  {"group", "high_school_physics"}}));
  EXPECT_EQ(found.report.refused, (Counts{{"the question is empty", 1}}));
  for (const char* name : {"anatomy_dev.csv", "anatomy_val.csv", "anatomy.csv"}) {
    EXPECT_EQ(import_files("mmlu", {write(name, "q,a,b,c,d,A\n")}).records[0]["group"], "anatomy") << name;
  }
}

TEST_F(Importers, MmluReadsExportsAsItReadsTheTables) {
  const std::string table = write("anatomy_test.csv", "Where?,a,b,c,d,D\n");
  const std::string lines = write(
      "test.jsonl", R"({"question": "Where?", "subject": "anatomy", "choices": ["a", "b", "c", "d"], "answer": 3})");
  EXPECT_EQ(import_files("mmlu", {lines}).records, import_files("mmlu", {table}).records);
}

TEST_F(Importers, MmluNamesWhatIsNotOfItsForm) {
  EXPECT_THAT(refusal("mmlu", "q,a,b,c,d,A\nq,a,b,c,A\n"), HasSubstr("bad:2] found 5 fields, expected MMLU's 6"));
  EXPECT_THAT(refusal("mmlu", "question,A,B,C,D,answer\n"), HasSubstr("bad:1] the answer (field 6): found 'answer'"));
  const auto row = [](const char* choices, const char* answer) {
    return fmt::format(R"({{"question": "q", "subject": "s", "choices": {}, "answer": {}}})", choices, answer);
  };
  EXPECT_THAT(refusal("mmlu", row(R"(["a", "b", "c"])", "0")), HasSubstr("bad:1] choices: found 3, expected 4"));
  EXPECT_THAT(refusal("mmlu", row(R"(["a", "b", "c", "d"])", "4")), HasSubstr("bad:1] answer: found 4"));
  EXPECT_THAT(refusal("mmlu", R"({"question": "q", "choices": ["a", "b", "c", "d"], "answer": 0})"),
              HasSubstr("subject"));
}

constexpr const char* kGpqaHeader =
    "Record ID,Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,Incorrect Answer 3,Subdomain,"
    "High-level domain\n";

std::string gpqa_row(const std::string& question) {
  return "r," + question + ",right,wrong 1,wrong 2,wrong 3,Optics,Physics\n";
}

TEST_F(Importers, GpqaPutsTheAnswersInAnOrderOfTheQuestion) {
  const Imported found = import_files("gpqa", {write("g.csv", kGpqaHeader + gpqa_row("\"Which, \nthen?\n\""))});
  ASSERT_EQ(found.records.size(), 1u);
  const Json& record = found.records[0];
  const std::string prompt = record["prompt"];
  EXPECT_THAT(prompt, StartsWith("What is the correct answer to this question:Which, \nthen?\nChoices:\n(A) "));
  EXPECT_THAT(prompt, EndsWith("\nAnswer:"));
  EXPECT_EQ(record["choices"], Json({" (A)", " (B)", " (C)", " (D)"}));
  EXPECT_EQ(record["group"], "Physics");
  const std::string letter(1, static_cast<char>('A' + record["answer"].get<int>()));
  EXPECT_THAT(prompt, HasSubstr("(" + letter + ") right\n"));
  for (const char* wrong : {") wrong 1\n", ") wrong 2\n", ") wrong 3\n"}) EXPECT_THAT(prompt, HasSubstr(wrong));
  // Other rows of the file, and its order, change nothing.
  const Imported others = import_files("gpqa", {write("h.csv", kGpqaHeader + gpqa_row("Other?") + gpqa_row("Third?") +
                                                                   gpqa_row("\"Which, \nthen?\n\""))});
  EXPECT_EQ(others.records[2], record);
}

TEST_F(Importers, GpqaPutsTheCorrectAnswerEverywhereAlike) {
  constexpr int64_t kRows = 400;
  std::string rows = kGpqaHeader;
  for (int64_t i = 0; i < kRows; ++i) rows += gpqa_row(fmt::format("Question {}?", i));
  std::map<int64_t, int64_t> count;
  for (const Json& record : import_files("gpqa", {write("g.csv", rows)}).records) ++count[record["answer"]];
  // 100 of 400 each, standard deviation 8.7: four of them.
  constexpr int64_t kSpread = 35;
  for (int64_t position = 0; position < 4; ++position) EXPECT_NEAR(count[position], kRows / 4.0, kSpread) << position;
}

TEST_F(Importers, GpqaCountsWhatHasNoOneAnswer) {
  const Imported found =
      import_files("gpqa", {write("g.csv", std::string(kGpqaHeader) +
                                               "r,Q?,a,b,a ,c,Optics,Physics\nr,Q?,a,b,,c,Optics,Physics\nr, "
                                               ",a,b,d,c,Optics,Physics\n" +
                                               gpqa_row("Q?"))});
  EXPECT_EQ(found.report.refused, (Counts{{"the correct answer is an incorrect one too", 1},
                                          {"an answer is empty", 1},
                                          {"the question is empty", 1}}));
  EXPECT_THAT(refusal("gpqa", "Question,Answer\nq,a\n"), HasSubstr("bad:2] the file has no column 'Correct Answer'"));
}

TEST_F(Importers, MgsmTakesTheLanguagesWordsByTheFilesName) {
  const Imported german =
      import_files("mgsm", {write("mgsm_de.tsv", "Wie viele Eier?\t1,018\n\nWarum?\tdarum\n\t3\n")});
  ASSERT_EQ(german.records.size(), 1u);
  EXPECT_EQ(german.records[0], (Json{{"prompt", "Frage: Wie viele Eier?\nSchritt-für-Schritt-Antwort:"},
                                     {"completion", " 1018"},
                                     {"scorer", "number"},
                                     {"answers", {"1018"}}}));
  EXPECT_EQ(german.report.refused, (Counts{{"the answer is no number", 1}, {"the question is empty", 1}}));
  EXPECT_EQ(german.report.counts, (Counts{{"language de", 1}}));
  const Imported chinese = import_files("mgsm", {write("mgsm_zh.tsv", "多少？\t-2.5\r\n")});
  EXPECT_EQ(chinese.records[0]["prompt"], "问题：多少？\n逐步解答：");
  EXPECT_EQ(chinese.records[0]["completion"], "-2.5") << "no space behind a full-width colon";
  for (const char* language : {"bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh"}) {
    const std::string path = write(fmt::format("mgsm_{}.tsv", language), "q\t1\n");
    EXPECT_EQ(import_files("mgsm", {path}).report.counts, (Counts{{fmt::format("language {}", language), 1}}));
  }
}

TEST_F(Importers, MgsmReadsExportsWithThoughtsAndWithout) {
  const std::string path = write(
      "fr-train.jsonl",
      R"({"question": "Question : Combien ?", "answer": "Réponse étape par étape : 5 + 6 = 11. La réponse est 11.", "answer_number": 11, "equation_solution": "5 + 6 = 11."})"
      "\n"
      R"({"question": "Combien ?", "answer": null, "answer_number": "1,000", "equation_solution": null})"
      "\n");
  const Imported found = import_files("mgsm", {path});
  ASSERT_EQ(found.records.size(), 2u);
  for (const Json& record : found.records) {
    EXPECT_EQ(record["prompt"], "Question : Combien ?\nRéponse étape par étape :");
  }
  EXPECT_EQ(found.records[0]["completion"], " 5 + 6 = 11. La réponse est 11.");
  EXPECT_EQ(found.records[0]["answers"], Json({"11"}));
  EXPECT_EQ(found.records[1]["completion"], " 1000");
  const Imported chat = import_files("mgsm", {path}, {nullptr, AnswerForm::kMessages});
  EXPECT_EQ(chat.records[1]["messages"][0]["content"], "Combien ?");
  EXPECT_EQ(chat.records[1]["messages"][1]["content"], "1000");
  EXPECT_FALSE(chat.records[1].contains("completion"));
}

TEST_F(Importers, MgsmNamesWhatIsNotOfItsForm) {
  EXPECT_THAT(refusal("mgsm", "q\t1\n"), HasSubstr("bad] the name says no language: expected one of bn, de, en"));
  const auto message = [&](const std::string& text) {
    try {
      import_files("mgsm", {write("mgsm_en.tsv", text)});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(message("q\t1\nno tab 2\n"), HasSubstr("mgsm_en.tsv:2] found no tab"));
  EXPECT_THAT(message(R"({"question": "q"})"), HasSubstr("mgsm_en.tsv:1] key 'answer_number' is missing"));
  EXPECT_THAT(message(R"({"question": "q", "answer_number": [1]})"), HasSubstr("answer_number: found a array"));
}

TEST_F(Importers, MgsmNumbersHaveSeparatorsOfThousandsOrNone) {
  const auto number = [&](const std::string& text) {
    const Imported found = import_files("mgsm", {write("mgsm_en.tsv", "q\t" + text + "\n")});
    return found.records.empty() ? "" : found.records[0]["answers"][0].get<std::string>();
  };
  EXPECT_EQ(number(" 18 "), "18");
  EXPECT_EQ(number("1,234,567"), "1234567");
  EXPECT_EQ(number("-1,000.5"), "-1000.5");
  for (const char* text : {"1,00", ",100", "1,0000", "1.2.3", "-", ".", "ten"}) EXPECT_EQ(number(text), "") << text;
}

TEST_F(Importers, IfevalKeepsTheInstructionsOfARow) {
  const std::string path = write(
      "input_data.jsonl",
      R"({"key": 1, "prompt": "Write.", "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_words"], "kwargs": [{}, {"relation": "at least", "num_words": 300, "language": null}]})"
      "\n"
      R"({"key": 2, "prompt": "Schreib.", "instruction_id_list": ["language:response_language", "punctuation:no_comma"], "kwargs": [{"language": "de"}, {}]})"
      "\n"
      R"({"key": 3, "prompt": "Write.", "instruction_id_list": [], "kwargs": []})");
  const Imported found = import_files("ifeval", {path});
  ASSERT_EQ(found.records.size(), 1u);
  EXPECT_EQ(found.records[0],
            (Json{{"prompt", "Write."},
                  {"scorer", "ifeval"},
                  {"instructions",
                   {{{"id", "punctuation:no_comma"}},
                    {{"id", "length_constraints:number_words"}, {"num_words", 300}, {"relation", "at least"}}}}}));
  EXPECT_EQ(found.report.refused,
            (Counts{{"language:response_language needs a model of languages", 1}, {"there is no instruction", 1}}));
  EXPECT_EQ(found.report.counts, (Counts{{"instructions", 2}}));
  const Imported chat = import_files("ifeval", {path}, {nullptr, AnswerForm::kMessages});
  EXPECT_EQ(chat.records[0]["messages"], Json::array({{{"role", "user"}, {"content", "Write."}}}));
}

TEST_F(Importers, IfevalNamesTheRowAndTheKey) {
  const auto row = [](const char* ids, const char* arguments) {
    return fmt::format(R"({{"key": 17, "prompt": "p", "instruction_id_list": {}, "kwargs": {}}})", ids, arguments);
  };
  EXPECT_THAT(refusal("ifeval", row(R"(["keywords:absence"])", "[{}]")),
              HasSubstr("bad:1 key 17] instruction 'keywords:absence' is not known"));
  EXPECT_THAT(refusal("ifeval", row(R"(["startend:end_checker"])", "[{}]")),
              HasSubstr("bad:1 key 17 startend:end_checker] end_phrase: is missing"));
  EXPECT_THAT(refusal("ifeval", row(R"(["startend:end_checker"])", "[]")),
              HasSubstr("bad:1 key 17] kwargs: found 0, expected a list with an object for each of the 1"));
  EXPECT_THAT(refusal("ifeval", row(R"(["startend:end_checker"])", "[1]")), HasSubstr("expected an object"));
}

}  // namespace
}  // namespace circuit
