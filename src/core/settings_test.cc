#include "core/config.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace circuit {
namespace {

struct Sample {
  std::string kind = "a";
  int64_t steps = 10;
  double lr = 0.001;
  bool flag = true;
  std::vector<std::string> files, parts;
  Settings settings() {
    Settings s;
    s.section("one");
    s.add("kind", &kind, "Which.").one_of({"a", "b"});
    s.add("steps", &steps, "How many.").range(1, 100);
    s.section("two");
    s.add("lr", &lr, "Rate.").range(0, 1);
    s.add("flag", &flag, "Whether.");
    s.add("files", &files, "Files.");
    s.add("parts", &parts, "Parts.").one_of({"x", "y"});
    return s;
  }
};

std::string refusal(const std::string& text) {
  Sample s;
  try {
    parse_config(text, "c.toml", s.settings());
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Config, ValuesForPeopleHaveNoQuotes) {
  Sample s;
  s.files = {"m0", "a1.h*"};
  const std::vector<Setting> fields = s.settings().all();
  EXPECT_EQ(plain_value(fields[0]), "a");
  EXPECT_EQ(toml_value(fields[0]).substr(1, 1), "a");
  EXPECT_EQ(plain_value(fields[2]), "0.001");
  EXPECT_EQ(plain_value(fields[4]), "m0, a1.h*");
}

TEST(Config, ReadsBackWhatItPrints) {
  Sample a;
  a.kind = "b";
  a.lr = 0.1 + 0.2;
  a.flag = false;
  a.files = {"with, comma", "with \"quotes\"", ""};
  Sample b;
  parse_config(print_config(a.settings()), "c", b.settings());
  EXPECT_EQ(b.kind, "b");
  EXPECT_EQ(b.lr, a.lr);
  EXPECT_FALSE(b.flag);
  EXPECT_EQ(b.files, a.files);
  EXPECT_EQ(print_config(a.settings()), print_config(b.settings()));
}

TEST(Config, EveryElementOfAListIsAmongItsChoices) {
  EXPECT_EQ(refusal("[two]\nparts = ['y', 'x']\n"), "");
  EXPECT_EQ(refusal("[two]\nparts = ['y', 'z']\n"), "[c.toml:2] two.parts: 'z' is not one of x, y.");
}

TEST(Config, ErrorsNameFileLineKeyAndTheNearestOne) {
  EXPECT_EQ(refusal("[one]\nstep = 3\n").substr(0, 12), "[c.toml:2] u");
  EXPECT_NE(refusal("[one]\nstep = 3\n").find("'one.steps'"), std::string::npos);
  EXPECT_NE(refusal("[one]\nsteps = \"x\"\n").find("expected an integer"), std::string::npos);
  EXPECT_NE(refusal("[one]\nsteps = 101\n").find("1 to 100"), std::string::npos);
  EXPECT_NE(refusal("[one]\nkind = \"c\"\n").find("a, b"), std::string::npos);
  EXPECT_NE(refusal("[two]\nlr = nan\n").find("finite"), std::string::npos);
  EXPECT_NE(refusal("[two\n").find("c.toml:1"), std::string::npos);
  EXPECT_NE(refusal("[two]\nflag = 1\n").find("true or false"), std::string::npos);
}

TEST(Config, SetTakesUnquotedStrings) {
  Sample s;
  set_config("one.kind=b", s.settings());
  set_config("two.lr=1e-2", s.settings());
  EXPECT_EQ(s.kind, "b");
  EXPECT_EQ(s.lr, 0.01);
  EXPECT_THROW(set_config("two.lr=fast", s.settings()), Error);
  EXPECT_THROW(set_config("two.lr", s.settings()), UsageError);
}

TEST(Config, ListsAreTomlOrSplitAtCommas) {
  const std::vector<std::string> both{"a.jsonl", "b c.txt"};
  for (const char* text : {R"(files = ["a.jsonl", "b c.txt"])", R"(files = "a.jsonl, b c.txt,")"}) {
    Sample s;
    parse_config(std::string("[two]\n") + text, "c", s.settings());
    EXPECT_EQ(s.files, both) << text;
  }
  for (const char* text : {"two.files=a.jsonl,b c.txt", R"(two.files=["a.jsonl", "b c.txt"])"}) {
    Sample s;
    set_config(text, s.settings());
    EXPECT_EQ(s.files, both) << text;
  }
  Sample s;
  s.files = both;
  set_config("two.files=", s.settings());
  EXPECT_TRUE(s.files.empty());
  EXPECT_NE(refusal("[two]\nfiles = 3\n").find("two.files: expected a list of strings"), std::string::npos);
  EXPECT_NE(refusal("[two]\nfiles = [3]\n").find("two.files: expected a list of strings"), std::string::npos);
}

TEST(Config, CharactersBeyondAsciiStandInQuotesOrComments) {
  for (const char* text : {"É", "É = 1", "a = 1\nb = é", "[ä]", "a = 'x' Ѐ"}) {
    EXPECT_NE(refusal(text).find("beyond ASCII"), std::string::npos) << text << ": " << refusal(text);
  }
  EXPECT_NE(refusal("# é\n\nÉ = 1").find("c.toml:3"), std::string::npos);
  for (const char* text : {"# é\n[two]\nfiles = ['é', \"\\\"é\"]", "[two]\nfiles = [\"\"\"é\n\"é\"\"\"\"\"]",
                           "[two]\nfiles = ['''é'é''']", "\xEF\xBB\xBF[two]\nfiles = 'é'"}) {
    EXPECT_EQ(refusal(text), "") << text;
  }
  Sample s;
  EXPECT_THROW(set_config("one.steps=É", s.settings()), Error);
  set_config("two.files=é", s.settings());
  EXPECT_EQ(s.files, std::vector<std::string>{"é"});
}

TEST(Config, TableHeadersNameAKey) {
  for (const char* text : {"[~[", "[", "[[", "[]", "[=]", "[ .a]", "[[~]]", "[[ ]]", "[ [one]]", "[#\n", "[\none]",
                           "[,", "\xEF\xBB\xBF[~", "[\x01"}) {
    EXPECT_NE(refusal(text).find("no key follows the bracket"), std::string::npos) << text << ": " << refusal(text);
  }
  EXPECT_NE(refusal("# [~\n\n \t[~]").find("c.toml:3"), std::string::npos);
  EXPECT_NE(refusal("[two]\nfiles = [\n'[~'\n]\n[~]").find("c.toml:5"), std::string::npos);
  for (const char* text : {"[two]\nfiles = [\n'a'\n]", "[ \"two\" ]\nfiles = '''\n[~'''\n['one']\nsteps = 3",
                           "[two]\nfiles = [ # ]\n'b' ]\n\t[one]\nsteps = 3"}) {
    EXPECT_EQ(refusal(text), "") << text;
  }
  // Inside a list a line may begin with a bracket that no key follows; here only the list is wrong.
  EXPECT_NE(refusal("[two]\nfiles = [\n[\n'a']]").find("expected a list of strings"), std::string::npos);
  Sample s;
  EXPECT_THROW(set_config("one.steps=1\n[~[", s.settings()), Error);
}

// toml++ is shown ASCII, so that what it takes for part of a word, in text that is not valid, is nothing it trips over.
TEST(Config, StringsBeyondAsciiMeanTheSame) {
  const std::vector<std::string> both{"é\\n\"ü", "日本𝄞"};
  for (const char* text : {"files = ['é\\n\"ü', '日本𝄞'] # ß", "files = [\"é\\\\n\\\"ü\", \"\"\"日本\\U0001D11E\"\"\"]",
                           "files = ['''\né\\n\"ü''', \"\"\"\n日本𝄞\"\"\"]"}) {
    Sample s;
    parse_config(std::string("[two]\n") + text, "c", s.settings());
    EXPECT_EQ(s.files, both) << text;
  }
  const std::string zero("a = -3x\0\"\xC3\xA9\"", 12);
  for (const std::string& text :
       {std::string("a = 3\"é\""), zero, std::string("r=-@3u.r=\"é\",= \"a"), std::string("a = x'é'"),
        std::string("[two]\nfiles = [\"\\é\"]"), std::string("a = 'é\nb'"), std::string("a = '''é")}) {
    EXPECT_NE(refusal(text).find("not valid TOML"), std::string::npos) << text << ": " << refusal(text);
  }
  for (const std::string text : {"a = '\xC3'", "a = '\xED\xA0\x80'", "# \xFF", "a = '\xC0\x80'"}) {
    EXPECT_NE(refusal(text).find("no UTF-8"), std::string::npos) << refusal(text);
  }
}

TEST(Config, BracketsCloseWhatTheirKindOpened) {
  for (const char* text : {"[two]\nfiles = [}", "[two]\nfiles = [ # x\n } ]", "[two]\nfiles = ['a', }", "a = { b = [ }",
                           "a = }", "a = ]", "a = { b = 1 ]"}) {
    EXPECT_NE(refusal(text).find("nothing is open that"), std::string::npos) << text << ": " << refusal(text);
  }
  EXPECT_NE(refusal("[two]\n\nfiles = [\n}]").find("c.toml:4"), std::string::npos);
  EXPECT_EQ(refusal("[two]\nfiles = ['}', \"]\", '''}'''] # }\n"), "");
  Sample s;
  EXPECT_THROW(set_config("two.files=[}", s.settings()), Error);
}

}  // namespace
}  // namespace circuit
