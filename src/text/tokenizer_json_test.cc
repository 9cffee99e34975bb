// Files that are broken or ask for something not supported: each is refused, naming the file and the key.
#include "text/tokenizer_json.h"

#include <gtest/gtest.h>

#include "text/testing.h"

namespace circuit {
namespace {

// What reading byte_level_json() says once the value at `pointer` is replaced.
std::string refusal(const std::string& pointer, const std::string& value) {
  Json json = byte_level_json();
  json[Json::json_pointer(pointer)] = parse_json(value, "value");
  return message_of([&json] { tokenizer_of(json); });
}

#define EXPECT_REFUSAL(pointer, value, expected) \
  EXPECT_NE(refusal(pointer, value).find(expected), std::string::npos) << refusal(pointer, value)

TEST(TokenizerJson, TheUnchangedFileIsRead) { EXPECT_EQ(refusal("/version", "\"1.0\""), ""); }

TEST(TokenizerJson, RefusesWhatIsNoTokenizer) {
  EXPECT_NE(message_of([] { read_tokenizer_json("", "t.json"); }).find("[t.json] not valid JSON"), std::string::npos);
  EXPECT_NE(message_of([] { read_tokenizer_json("[]", "t.json"); }).find("expected an object"), std::string::npos);
  EXPECT_NE(message_of([] { read_tokenizer_json("{}", "t.json"); }).find("key 'model' is missing"), std::string::npos);
}

TEST(TokenizerJson, RefusesUnknownKeysAndTypes) {
  EXPECT_REFUSAL("/surprise", "1", "[t.json] surprise: not a key");
  EXPECT_REFUSAL("/model/surprise", "1", "[t.json:model] surprise: not a key");
  EXPECT_REFUSAL("/model/type", "\"Unigram\"", "[t.json:model] type: found 'Unigram', expected BPE");
  EXPECT_REFUSAL("/normalizer", R"({"type":"Nmt"})", "[t.json:normalizer] type: found 'Nmt'");
  EXPECT_REFUSAL("/normalizer", R"({"type":"NFC","x":1})", "[t.json:normalizer] x: not a key");
  EXPECT_REFUSAL("/normalizer", "3", "[t.json:normalizer] found a number");
  EXPECT_REFUSAL("/pre_tokenizer", R"({"type":"BertPreTokenizer"})", "[t.json:pre_tokenizer] type");
  EXPECT_REFUSAL("/pre_tokenizer", R"({"type":"Sequence","pretokenizers":[{"type":"X"}]})",
                 "[t.json:pre_tokenizer.pretokenizers[0]] type");
  EXPECT_REFUSAL("/pre_tokenizer/surprise", "1", "[t.json:pre_tokenizer] surprise");
  EXPECT_REFUSAL("/decoder", R"({"type":"WordPiece"})", "[t.json:decoder] type: found 'WordPiece'");
  EXPECT_REFUSAL("/post_processor", R"({"type":"BertProcessing"})", "[t.json:post_processor] type");
}

TEST(TokenizerJson, RefusesBrokenModels) {
  EXPECT_REFUSAL("/model/vocab", "[]", "vocab: found a array");
  EXPECT_REFUSAL("/model/vocab/a", "-1", "vocab['a']: found id -1");
  EXPECT_REFUSAL("/model/vocab/a", "99999999999", "vocab['a']: found id 99999999999");
  EXPECT_REFUSAL("/model/vocab/a", "1.5", "vocab['a']: found a number");
  EXPECT_REFUSAL("/model/vocab/a", "98", "id 98 stands for both 'a' and 'b'");
  EXPECT_REFUSAL("/model/merges", "null", "merges: found a null");
  EXPECT_REFUSAL("/model/merges/1", "\"one\"", "[t.json:model.merges[1]] found \"one\"");
  EXPECT_REFUSAL("/model/merges/1", "\"a b c\"", "[t.json:model.merges[1]]");
  EXPECT_REFUSAL("/model/merges/1", "[\"a\"]", "[t.json:model.merges[1]]");
  EXPECT_REFUSAL("/model/merges/1", "\"a b\"", "merges[1]: 'ab' is not in the vocabulary");
  EXPECT_REFUSAL("/model/unk_token", "\"<unk>\"", "unk_token: '<unk>' is not in the vocabulary");
  EXPECT_REFUSAL("/model/dropout", "0.1", "dropout");
  EXPECT_REFUSAL("/model/end_of_word_suffix", "\"</w>\"", "end_of_word_suffix: found '</w>'");
  EXPECT_REFUSAL("/model/continuing_subword_prefix", "\"##\"", "continuing_subword_prefix");
  EXPECT_REFUSAL("/model/fuse_unk", "1", "fuse_unk: found a number");
}

TEST(TokenizerJson, RefusesBrokenSteps) {
  EXPECT_REFUSAL("/normalizer", R"({"type":"Replace","pattern":{"Regex":"("},"content":""})",
                 "[t.json:normalizer.pattern] regular expression '('");
  EXPECT_REFUSAL("/normalizer", R"({"type":"Replace","pattern":"a","content":""})", "normalizer.pattern]");
  EXPECT_REFUSAL("/normalizer", R"({"type":"Prepend"})", "key 'prepend' is missing");
  EXPECT_REFUSAL("/normalizer", R"({"type":"Sequence","normalizers":[null]})", "normalizers[0]] found null");
  EXPECT_REFUSAL("/pre_tokenizer", R"({"type":"Split","pattern":{"String":"a"},"behavior":"Torn"})",
                 "behavior: found 'Torn'");
  EXPECT_REFUSAL("/pre_tokenizer", R"({"type":"Metaspace","replacement":"ab"})", "expected one character");
  EXPECT_REFUSAL("/pre_tokenizer", R"({"type":"Metaspace","prepend_scheme":"x"})", "prepend_scheme: found 'x'");
  EXPECT_REFUSAL("/pre_tokenizer", R"({"type":"Metaspace","prepend_scheme":"first","add_prefix_space":false})",
                 "add_prefix_space");
  EXPECT_REFUSAL("/decoder", R"({"type":"Strip","content":" ","start":-1})", "start, stop: found -1");
}

TEST(TokenizerJson, RefusesChainsThatWouldFillTheMemory) {
  std::string steps;
  for (int i = 0; i < 20; ++i) {
    steps += std::string(i == 0 ? "" : ",") + R"({"type":"Replace","pattern":{"String":"a"},"content":"aa"})";
  }
  EXPECT_REFUSAL("/normalizer", R"({"type":"Sequence","normalizers":[)" + steps + "]}", "[t.json:normalizer] these");
  EXPECT_REFUSAL("/decoder", R"({"type":"Sequence","decoders":[)" + steps + "]}", "[t.json:decoder] these steps");
}

TEST(TokenizerJson, RefusesBrokenAddedTokens) {
  EXPECT_REFUSAL("/added_tokens", "{}", "added_tokens: found a object");
  EXPECT_REFUSAL("/added_tokens/0", "1", "[t.json:added_tokens[0]] found a number");
  EXPECT_REFUSAL("/added_tokens/0/content", "\"\"", "is empty");
  EXPECT_REFUSAL("/added_tokens/0/content", "\"a\"", "the vocabulary gives it 97");
  EXPECT_REFUSAL("/added_tokens/0/id", "-5", "found id -5");
  EXPECT_REFUSAL("/added_tokens/0/id", "97", "found id 97, which the vocabulary gives to 'a'");
  EXPECT_REFUSAL("/added_tokens/0/surprise", "1", "surprise: not a key");
  EXPECT_REFUSAL("/added_tokens/1", R"({"id":259,"content":"<t>"})", "have the same id 259");
  EXPECT_REFUSAL("/added_tokens/1", R"({"id":260,"content":"<s>"})", "found id 259 and id 260");
}

TEST(TokenizerJson, RefusesBrokenTemplates) {
  const auto post = [](const std::string& single) {
    return R"({"type":"TemplateProcessing","single":)" + single +
           R"(,"special_tokens":{"<s>":{"ids":[259]},"<x>":{"ids":[999]}}})";
  };
  const std::string text = R"({"Sequence":{"id":"A"}})";
  EXPECT_REFUSAL("/post_processor", post("[]"), "single: the text itself");
  EXPECT_REFUSAL("/post_processor", post("[" + text + "," + text + "]"), "single[1]] found sequence A");
  EXPECT_REFUSAL("/post_processor", post(R"([{"Sequence":{"id":"B"}}])"), "found sequence B");
  EXPECT_REFUSAL("/post_processor", post(R"([{"SpecialToken":{"id":"<y>"}},)" + text + "]"), "key '<y>' is missing");
  EXPECT_REFUSAL("/post_processor", post(R"([{"SpecialToken":{"id":"<x>"}},)" + text + "]"), "no token has id 999");
  EXPECT_REFUSAL("/post_processor", post("[3]"), "single[0]] found 3");
}

TEST(TokenizerJson, BacktrackingWithoutEndIsAnError) {
  Json json = byte_level_json();
  json["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"Regex", "(?:a|aa)+$"}}}, {"behavior", "Isolated"}};
  const Tokenizer tokenizer = tokenizer_of(json);
  EXPECT_NE(message_of([&] { tokenizer.encode(std::string(60, 'a') + "b", SpecialTokens::kNone); }).find("retry-limit"),
            std::string::npos);
}

}  // namespace
}  // namespace circuit
