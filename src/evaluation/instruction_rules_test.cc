// The rules of instructions on texts made up for them. What is expected is what the authors' own checker said of each
// text (instruction_following_eval, with NLTK's tokenizers, its language detector answering English).
#include "evaluation/instruction_rules.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "evaluation/text_units.h"

namespace circuit {
namespace {

struct RuleText {
  const char* text;
  bool strict, loose;
};
struct RuleCase {
  const char* id;
  const char* arguments;
  std::vector<RuleText> texts;
};

const std::vector<RuleCase>& rule_cases() {
  static const std::vector<RuleCase> all{
      {"keywords:existence",
       R"({"keywords": ["apple", "Pie"]})",
       {
           {"An APPLE pie.", true, true},
           {"pineapples, pies", true, true},
           {"apple", false, false},
           {"", false, false},
       }},
      {"keywords:frequency",
       R"({"keyword": " rock ", "frequency": 2, "relation": "at least"})",
       {
           {"Rocks rocket", true, true},
           {"rock", false, false},
           {"rock\n**rock**", true, true},
       }},
      {"keywords:frequency",
       R"({"keyword": "aa", "frequency": 2, "relation": "less than"})",
       {
           {"aaa", true, true},
           {"aaaa", false, false},
       }},
      {"keywords:forbidden_words",
       R"({"forbidden_words": ["field", "issue"]})",
       {
           {"fields of issues", true, true},
           {"no Field.", false, false},
           {"field_x", true, true},
           {"the issue's", false, false},
       }},
      {"keywords:letter_frequency",
       R"({"letter": "T", "let_frequency": 2, "let_relation": "less than"})",
       {
           {"a cat", true, true},
           {"That", false, false},
       }},
      {"length_constraints:number_sentences",
       R"({"num_sentences": 3, "relation": "at least"})",
       {
           {"One. Two! Three?", true, true},
           {"Mr. Smith went. He sat.", false, false},
           {"It cost 3.5 dollars. So what", false, false},
           {"Wait... what? No.", false, false},
           {"A title\n\nThen one. And two.", false, false},
           {"He said \"Go.\" Then he left. I saw.", true, true},
           {"1. First\n2. Second", true, true},
       }},
      {"length_constraints:number_paragraphs",
       R"({"num_paragraphs": 2})",
       {
           {"a\n***\nb", true, true},
           {"a *** b *** c", false, false},
           {"***\na\n***\nb\n***", true, true},
           {"a\n***\n***\nb", false, false},
           {"a\n\nb", false, false},
           {"a ****b", true, true},
       }},
      {"length_constraints:number_words",
       R"({"num_words": 4, "relation": "less than"})",
       {
           {"it's two", true, true},
           {"it's two words", false, false},
           {"one-two three", true, true},
           {"a_b 1.5", true, true},
       }},
      {"length_constraints:nth_paragraph_first_word",
       R"({"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Weekend"})",
       {
           {"a\n\nweekend, b", true, true},
           {"a\n\n'\"WEEKEND's b", true, true},
           {"a\n\n\nweekend", true, true},
           {"a\n\n\n\nweekend", false, false},
           {"a\n\nweekend\n\nb", false, true},
           {"a\nb\n\nweekend\n\n", true, true},
       }},
      {"detectable_content:number_placeholders",
       R"({"num_placeholders": 2})",
       {
           {"[a] [b]", true, true},
           {"[a [b] c]", false, false},
           {"[a\nb] []", false, false},
           {"[] []", true, true},
       }},
      {"detectable_content:postscript",
       R"({"postscript_marker": "P.S."})",
       {
           {"Bye.\nP.S. Hi", true, true},
           {"p. s. hi", true, true},
           {"P.P.S. hi", true, true},
           {"PS: hi", false, false},
       }},
      {"detectable_content:postscript",
       R"({"postscript_marker": "P.P.S"})",
       {
           {"p.p.s", true, true},
           {"P. P. S more", true, true},
           {"P.S. hi", false, false},
       }},
      {"detectable_format:number_bullet_lists",
       R"({"num_bullets": 2})",
       {
           {"* a\n* b", true, true},
           {"* a\n - b", true, true},
           {"**a**\n* b\n* c", true, true},
           {"- a\n---\n", true, true},
           {"* a\n* b\n* c", false, true},
           {"*\n* b\n* c", true, true},
       }},
      {"detectable_format:constrained_response",
       R"({})",
       {
           {"  My answer is no. Truly.", true, true},
           {"My answer is no", false, false},
           {"my answer is yes.", false, false},
       }},
      {"detectable_format:number_highlighted_sections",
       R"({"num_highlights": 2})",
       {
           {"*a* and *b*", true, true},
           {"**a** *b*", true, true},
           {"**a**", false, false},
           {"*a\n* *b*", false, false},
           {"** ** *b*", false, false},
           {"*a*b*c*", true, true},
       }},
      {"detectable_format:multiple_sections",
       R"({"section_spliter": "Section", "num_sections": 2})",
       {
           {"Section 1\na\nSection 2\nb", true, true},
           {"Section1 Section\n2", true, true},
           {"SECTION 1 Section 2", false, false},
           {"Section 1 Section  2", false, false},
           {"Section A Section 12", false, false},
       }},
      {"detectable_format:json_format",
       R"({})",
       {
           {"{\"a\": [1, null]}", true, true},
           {"```json\n{\"a\": 1}\n```", true, true},
           {"```JSON\n12```", true, true},
           {"{'a': 1}", false, false},
           {"{\"a\": 1,}", false, false},
           {"Here: {}", false, false},
           {"```\n[1]", true, true},
       }},
      {"detectable_format:title",
       R"({})",
       {
           {"<<a>> b", true, true},
           {"<< >>", false, false},
           {"<<a\nb>>", false, false},
           {"x <<<b>>>", true, true},
           {"<<>>", false, false},
       }},
      {"combination:two_responses",
       R"({})",
       {
           {"a******b", true, true},
           {"a\n******\na", false, false},
           {"******a******b******", true, true},
           {"a******\n******b", false, false},
           {"a***b", false, false},
           {"a******b******c", false, false},
       }},
      {"combination:repeat_prompt",
       R"({"prompt_to_repeat": "Write a poem. "})",
       {
           {"\nwrite a POEM. Roses", true, true},
           {"I write a poem.", false, false},
           {"Write a poem", false, false},
       }},
      {"startend:end_checker",
       R"({"end_phrase": "Any questions?"})",
       {
           {"Hi. any QUESTIONS?", true, true},
           {"\"Hi. Any questions?\"\n", true, true},
           {"Any questions? No.", false, false},
           {"Any questions", false, false},
       }},
      {"startend:quotation",
       R"({})",
       {
           {"\"a\"\n", true, true},
           {"\"a", false, false},
           {"\"", false, false},
           {"“a”", false, false},
           {"\"a\" and \"b\"", true, true},
       }},
      {"change_case:capital_word_frequency",
       R"({"capital_frequency": 3, "capital_relation": "at least"})",
       {
           {"I AM HERE", true, true},
           {"DON'T GO", true, true},
           {"TOP-TEN AND/OR", false, false},
           {"**BOLD**, (NATO) U.S.A.", true, true},
           {"Ab1 A1 1 2", false, false},
           {"CANNOT STOP", true, true},
           {"$5M #TAG X:Y", true, true},
       }},
      {"change_case:capital_word_frequency",
       R"({"capital_frequency": 2, "capital_relation": "less than"})",
       {
           {"I am", true, true},
           {"A B", false, false},
       }},
      {"change_case:english_capital",
       R"({})",
       {
           {"ÉCOLE 1 — A!", true, true},
           {"HELLO x", false, false},
           {"123", false, false},
       }},
      {"change_case:english_lowercase",
       R"({})",
       {
           {"naïve straße 1", true, true},
           {"hello X", false, false},
           {"...", false, false},
       }},
      {"punctuation:no_comma",
       R"({})",
       {
           {"a; b", true, true},
           {"a, b", false, false},
           {"1,000", false, false},
           {"a，b", true, true},
           {"Sure, here:\nno comma", false, true},
           {"a\nb\nHope, that helps", false, true},
           {"x,\na\ny,", false, true},
       }},
      {"startend:end_checker",
       R"({"end_phrase": "The end"})",
       {
           {"**The end**", false, true},
       }},
      {"detectable_format:title",
       R"({})",
       {
           {"*<<*a*>>*", true, true},
       }},
      {"startend:quotation",
       R"({})",
       {
           {"Here:\n \"a\" ", false, true},
       }},
      {"detectable_format:number_bullet_lists",
       R"({"num_bullets": 1})",
       {
           {"* a\n* b", false, true},
       }},
  };
  return all;
}

TEST(InstructionRules, SayWhatTheAuthorsCheckerSays) {
  for (const RuleCase& c : rule_cases()) {
    const Instruction instruction = make_instruction(c.id, Json::parse(c.arguments), "made.jsonl:1");
    for (const RuleText& t : c.texts) {
      const std::string name = std::string(c.id) + " " + c.arguments + " / " + t.text;
      EXPECT_EQ(follows(instruction, t.text), t.strict) << name;
      const auto texts = loose_texts(t.text);
      const bool loose =
          std::any_of(texts.begin(), texts.end(), [&](const auto& text) { return follows(instruction, text); });
      EXPECT_EQ(loose, t.loose) << name;
    }
  }
}

// The authors' checker draws another letter for these, though prompts ask for them.
TEST(InstructionRules, CountMarksAsTheyCountLetters) {
  const Json hashes{{"letter", "#"}, {"let_frequency", 2}, {"let_relation", "at least"}};
  const Instruction instruction = make_instruction("keywords:letter_frequency", hashes, "made.jsonl:1");
  EXPECT_TRUE(follows(instruction, "#a #b"));
  EXPECT_FALSE(follows(instruction, "#a b"));
}

TEST(LooseTexts, LeaveLinesAndAsterisksOut) {
  EXPECT_EQ(loose_texts("*a*\n b \n*c"),
            (std::vector<std::string>{"*a*\n b \n*c", "b \n*c", "*a*\n b", "b", "a\n b \nc", "b \nc", "a\n b", "b"}));
  EXPECT_EQ(loose_texts("a"), (std::vector<std::string>{"a", "", "", "", "a", "", "", ""}));
}

TEST(Sentences, EndAtMarksThatAreNoAbbreviations) {
  const std::vector<std::pair<const char*, int64_t>> cases{
      {"", 0},
      {"No mark", 1},
      {"One. Two? Three!", 3},
      {"Really?! Yes.", 2},
      {"Dr. No met Mrs. Brown on Jan. 5th.", 1},
      {"He met J. Smith. She did not.", 2},
      {"In the U.S. army, e.g. there. The end.", 2},
      {"He left the U.S. The end.", 2},
      {"Version 3.5 of a.txt", 1},
      {"Well... no. Well... No.", 3},
      {"\"Go!\" he said. (Then he left.) So it was.", 4},
      {"That is no. 5. No. Yes.", 3},
  };
  for (const auto& [text, count] : cases) EXPECT_EQ(count_sentences(text), count) << text;
}

}  // namespace
}  // namespace circuit
