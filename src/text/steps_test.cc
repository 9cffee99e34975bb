// Each normaliser, pre-tokeniser and decoder on its own.
#include <gtest/gtest.h>

#include "text/decoder.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/testing.h"

namespace circuit {
namespace {

using Strings = std::vector<std::string>;

AlignedText normalized(const std::string& json, const std::string& text) {
  return read_normalizer(parse_json(json, "n"), "n")->apply(AlignedText::identity(text, {0, text.size()}));
}

Strings pieces(const std::string& json, const std::string& text) {
  Pieces in{AlignedText::identity(text, {0, text.size()}), {{0, text.size()}}};
  const Pieces out = read_pre_tokenizer(parse_json(json, "p"), "p")->apply(std::move(in));
  Strings strings;
  for (const Range range : out.ranges) strings.push_back(out.aligned.text.substr(range.begin, range.size()));
  return strings;
}

std::string decoded(const std::string& json, const Strings& tokens) {
  std::string text;
  const auto decoder = read_decoder(parse_json(json, "d"), "d");
  for (const std::string& part : decoder->apply(tokens, DecodeFrom::kStartOfText)) text += part;
  return text;
}

std::string split_json(const std::string& pattern, const std::string& behavior, const std::string& invert) {
  return R"({"type":"Split","pattern":)" + pattern + R"(,"behavior":")" + behavior + R"(","invert":)" + invert + "}";
}

TEST(Normalizer, UnicodeFormsDifferAsTheStandardSays) {
  const std::string composed = "é";
  const std::string decomposed = "e\u0301";
  EXPECT_EQ(normalized(R"({"type":"NFC"})", decomposed).text, composed);
  EXPECT_EQ(normalized(R"({"type":"NFD"})", composed).text, decomposed);
  EXPECT_EQ(normalized(R"({"type":"NFC"})", "½ﬁ").text, "½ﬁ");
  EXPECT_EQ(normalized(R"({"type":"NFKC"})", "½ﬁ").text, "1\u20442fi");
  EXPECT_EQ(normalized(R"({"type":"NFKD"})", "ﬁé").text, "fi" + decomposed);
}

TEST(Normalizer, UnicodeFormComposesHangulAndOrdersMarks) {
  EXPECT_EQ(normalized(R"({"type":"NFC"})", "\u1112\u1161\u11AB").text, "한");
  EXPECT_EQ(normalized(R"({"type":"NFD"})", "한").text, "\u1112\u1161\u11AB");
  EXPECT_EQ(normalized(R"({"type":"NFD"})", "a\u0301\u0323").text, "a\u0323\u0301");
  EXPECT_EQ(normalized(R"({"type":"NFC"})", "\u09C7\u09BE").text, "\u09CB");
}

TEST(Normalizer, UnicodeFormIsIdempotent) {
  Rng rng(11);
  for (const char* json : {R"({"type":"NFC"})", R"({"type":"NFD"})", R"({"type":"NFKC"})", R"({"type":"NFKD"})"}) {
    for (int i = 0; i < 200; ++i) {
      const std::string once = normalized(json, random_text(rng)).text;
      EXPECT_EQ(normalized(json, once).text, once) << json;
    }
  }
}

TEST(Normalizer, UnicodeFormKeepsTheOriginOfEachCharacter) {
  const AlignedText out = normalized(R"({"type":"NFC"})", "xe\u0301y");
  ASSERT_EQ(out.text, "xéy");
  EXPECT_EQ(out.origin_of({0, 1}), (Range{0, 1}));
  EXPECT_EQ(out.origin_of({1, 3}), (Range{1, 4}));
  EXPECT_EQ(out.origin_of({3, 4}), (Range{4, 5}));
}

TEST(Normalizer, UnicodeFormIsLinearInMarksInARow) {
  std::string text = "a";
  for (int i = 0; i < 200000; ++i) text += i % 2 == 0 ? "\u0301" : "\u0323";
  EXPECT_EQ(normalized(R"({"type":"NFD"})", text).text.size(), text.size());
}

TEST(Normalizer, LowercaseHandlesTheCharacterThatGrows) {
  EXPECT_EQ(normalized(R"({"type":"Lowercase"})", "ÀBc İ").text, "àbc i\u0307");
}

TEST(Normalizer, StripTakesTheSidesAskedFor) {
  EXPECT_EQ(normalized(R"({"type":"Strip","strip_left":true,"strip_right":false})", "\u3000 a ").text, "a ");
  EXPECT_EQ(normalized(R"({"type":"Strip","strip_left":false,"strip_right":true})", " a\t\n").text, " a");
  EXPECT_EQ(normalized(R"({"type":"Strip"})", " \n ").text, "");
}

TEST(Normalizer, PrependStandsAtAnEmptyPlaceAndLeavesEmptyTextAlone) {
  const AlignedText out = normalized(R"({"type":"Prepend","prepend":"▁"})", "ab");
  EXPECT_EQ(out.text, "▁ab");
  EXPECT_EQ(out.origin_of({0, 3}), (Range{0, 0}));
  EXPECT_EQ(out.origin_of({0, 4}), (Range{0, 1}));
  EXPECT_EQ(normalized(R"({"type":"Prepend","prepend":"▁"})", "").text, "");
}

TEST(Normalizer, ReplaceTakesStringsAndExpressions) {
  const AlignedText out = normalized(R"({"type":"Replace","pattern":{"String":" "},"content":"▁"})", "a b");
  EXPECT_EQ(out.text, "a▁b");
  EXPECT_EQ(out.origin_of({1, 4}), (Range{1, 2}));
  EXPECT_EQ(normalized(R"({"type":"Replace","pattern":{"Regex":" +"},"content":"-"})", "a   b c").text, "a-b-c");
  EXPECT_EQ(normalized(R"({"type":"Replace","pattern":{"Regex":"$"},"content":"!"})", "ab").text, "ab!");
}

TEST(Normalizer, SequenceAppliesStepsInOrder) {
  EXPECT_EQ(normalized(R"({"type":"Sequence","normalizers":[{"type":"Lowercase"},
                           {"type":"Replace","pattern":{"String":"a"},"content":"bb"}]})",
                       "Ac")
                .text,
            "bbc");
}

TEST(Normalizer, OriginNeverStepsBack) {
  Rng rng(12);
  const std::string json = R"({"type":"Sequence","normalizers":[{"type":"NFKD"},{"type":"Lowercase"},
      {"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"Regex":"\\s+"},"content":"▁"}]})";
  for (int i = 0; i < 300; ++i) {
    const AlignedText out = normalized(json, random_text(rng));
    ASSERT_EQ(out.origin.size(), out.text.size());
    for (size_t k = 1; k < out.origin.size(); ++k) {
      EXPECT_LE(out.origin[k - 1].begin, out.origin[k].begin);
      EXPECT_LE(out.origin[k - 1].end, out.origin[k].end);
    }
  }
}

TEST(PreTokenizer, SplitBehavioursTreatTheMatchDifferently) {
  // The example of the Hugging Face tokenizers documentation.
  const std::string dash = R"({"String":"-"})";
  const std::string text = "the-final--countdown";
  EXPECT_EQ(pieces(split_json(dash, "Removed", "false"), text), (Strings{"the", "final", "countdown"}));
  EXPECT_EQ(pieces(split_json(dash, "Isolated", "false"), text), (Strings{"the", "-", "final", "-", "-", "countdown"}));
  EXPECT_EQ(pieces(split_json(dash, "MergedWithPrevious", "false"), text),
            (Strings{"the-", "final-", "-", "countdown"}));
  EXPECT_EQ(pieces(split_json(dash, "MergedWithNext", "false"), text), (Strings{"the", "-final", "-", "-countdown"}));
  EXPECT_EQ(pieces(split_json(dash, "Contiguous", "false"), text), (Strings{"the", "-", "final", "--", "countdown"}));
}

TEST(PreTokenizer, InvertedSplitKeepsTheMatches) {
  EXPECT_EQ(pieces(split_json(R"({"Regex":"\\w+"})", "Removed", "true"), "ab, cd"), (Strings{"ab", "cd"}));
}

TEST(PreTokenizer, SplitAtEmptyMatchesLosesNothing) {
  EXPECT_EQ(pieces(split_json(R"x({"Regex":"(?=\\d)"})x", "Isolated", "false"), "a12"), (Strings{"a", "1", "2"}));
}

TEST(PreTokenizer, ByteLevelCutsWordsAndMapsBytes) {
  EXPECT_EQ(pieces(R"({"type":"ByteLevel","add_prefix_space":false})", "I've é  12!"),
            (Strings{"I", "'ve", "ĠÃ©", "Ġ", "Ġ12", "!"}));
  EXPECT_EQ(pieces(R"({"type":"ByteLevel","add_prefix_space":true})", "a b"), (Strings{"Ġa", "Ġb"}));
  EXPECT_EQ(pieces(R"({"type":"ByteLevel","add_prefix_space":true})", " a"), (Strings{"Ġa"}));
  EXPECT_EQ(pieces(R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false})", "a b"), (Strings{"aĠb"}));
}

TEST(PreTokenizer, MetaspaceSchemesDifferAtTheStart) {
  EXPECT_EQ(pieces(R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"always"})", "a b"),
            (Strings{"▁a", "▁b"}));
  EXPECT_EQ(pieces(R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"never"})", "a b"), (Strings{"a", "▁b"}));
  EXPECT_EQ(pieces(R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":false})", "a b"),
            (Strings{"▁a▁b"}));
  EXPECT_EQ(pieces(R"({"type":"Metaspace","replacement":"▁","add_prefix_space":true})", " a"), (Strings{"▁a"}));
  const std::string after_digit = R"({"type":"Sequence","pretokenizers":[{"type":"Digits"},
      {"type":"Metaspace","replacement":"▁","prepend_scheme":"first"}]})";
  EXPECT_EQ(pieces(after_digit, "a1b"), (Strings{"▁a", "1", "b"}));
}

TEST(PreTokenizer, DigitsTogetherOrOneByOne) {
  EXPECT_EQ(pieces(R"({"type":"Digits","individual_digits":true})", "a12½b"), (Strings{"a", "1", "2", "½", "b"}));
  EXPECT_EQ(pieces(R"({"type":"Digits","individual_digits":false})", "a12b"), (Strings{"a", "12", "b"}));
}

TEST(PreTokenizer, WhitespaceAndPunctuation) {
  EXPECT_EQ(pieces(R"({"type":"Whitespace"})", " ab_1, c!? "), (Strings{"ab_1", ",", "c", "!?"}));
  EXPECT_EQ(pieces(R"({"type":"WhitespaceSplit"})", " ab,\u3000c! "), (Strings{"ab,", "c!"}));
  EXPECT_EQ(pieces(R"({"type":"Punctuation"})", "a.b$«c"), (Strings{"a", ".", "b", "$", "«", "c"}));
}

TEST(Decoder, ByteLevelReplacesWhatIsNoUtf8) {
  EXPECT_EQ(decoded(R"({"type":"ByteLevel"})", {"Ã", "©", "Ġx"}), "é x");
  EXPECT_EQ(decoded(R"({"type":"ByteLevel"})", {"a", "Ã", "b"}), "a\uFFFDb");
  EXPECT_EQ(decoded(R"({"type":"ByteLevel"})", {"<｜x｜>"}), "<｜x｜>");
}

TEST(Decoder, ByteFallbackReplacesEachByteOfABadRun) {
  EXPECT_EQ(decoded(R"({"type":"ByteFallback"})", {"a", "<0xC3>", "<0xA9>", "<0xZZ>"}), "aé<0xZZ>");
  EXPECT_EQ(decoded(R"({"type":"ByteFallback"})", {"<0xC3>", "<0xC3>", "b"}), "\uFFFD\uFFFDb");
}

TEST(Decoder, StripTakesAtMostTheGivenNumber) {
  EXPECT_EQ(decoded(R"({"type":"Strip","content":" ","start":1,"stop":0})", {"  a "}), " a ");
  EXPECT_EQ(decoded(R"({"type":"Strip","content":" ","start":0,"stop":5})", {"a   "}), "a");
  EXPECT_EQ(decoded(R"({"type":"Strip","content":" ","start":3,"stop":3})", {"  "}), "");
}

TEST(Decoder, MetaspaceDropsTheFirstSpaceOnly) {
  EXPECT_EQ(decoded(R"({"type":"Metaspace","replacement":"▁"})", {"▁a", "▁b"}), "a b");
  EXPECT_EQ(decoded(R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"never"})", {"▁a"}), " a");
}

TEST(Decoder, SequenceWorksOnWhatTheStepBeforeLeft) {
  EXPECT_EQ(decoded(R"({"type":"Sequence","decoders":[
      {"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},
      {"type":"Strip","content":" ","start":1,"stop":0}]})",
                    {"▁a", "▁b", "<0x21>"}),
            "a b!");
}

TEST(Utf8Repair, ReplacesEachMaximalIllFormedPart) {
  // Unicode 15, section 3.9, table 3-8 and its neighbours.
  const std::string bad = "\uFFFD";
  EXPECT_EQ(replace_invalid_utf8("a\xF1\x80\x80\xE1\x80\xC2z"), "a" + bad + bad + bad + "z");
  EXPECT_EQ(replace_invalid_utf8("\xE0\x80\x80"), bad + bad + bad);
  EXPECT_EQ(replace_invalid_utf8("\xF4\x91\x92\x93\xFF"), bad + bad + bad + bad + bad);
  EXPECT_EQ(replace_invalid_utf8("\uFFFDx"), "\uFFFDx");
}

}  // namespace
}  // namespace circuit
