// The tokenizers against the ids that their authors and other implementations give (../shared/data).
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <map>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "text/tokenizer.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

class SharedData : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(root_)) GTEST_SKIP() << "needs " << root_.string() << ", which is not there";
  }
  std::string path(const std::string& name) const { return (root_ / name).string(); }

  // Each vector that does not come out as given, one by one; returns how many were compared.
  static void expect_ids(const Tokenizer& tokenizer, const Json& vector, SpecialTokens special) {
    const std::string text = vector.at("text");
    const std::vector<int64_t> expected = vector.at("ids");
    EXPECT_EQ(tokenizer.encode(text, special), expected) << "text: " << Json(text).dump();
  }

  // All lines of vectors.jsonl for one tokenizer; returns how many there are.
  int expect_vectors_of(const std::string& name, const Tokenizer& tokenizer) const {
    int compared = 0;
    const std::string file = path("tokenizers/vectors.jsonl");
    each_json_line(read_file(file), file, [&](const Json& vector, const std::string& place) {
      if (vector.at("tokenizer") != name) return;
      SCOPED_TRACE(place);
      expect_ids(tokenizer, vector, SpecialTokens::kNone);
      ++compared;
    });
    return compared;
  }

  fs::path root_ = fs::path(CIRCUIT_SOURCE_DIR) / "../shared/data";
};

TEST_F(SharedData, Gpt2FromTokenizerJsonGivesThePublishedIds) {
  const Tokenizer tokenizer = Tokenizer::load(path("tokenizers/gpt2/tokenizer.json"));
  EXPECT_GT(expect_vectors_of("gpt2", tokenizer), 50);
  EXPECT_EQ(tokenizer.vocab_size(), 50257u);
  EXPECT_FALSE(tokenizer.adds_bos());
}

TEST_F(SharedData, Gpt2FromVocabAndMergesGivesThePublishedIds) {
  const fs::path folder = fs::temp_directory_path() / ("circuit-gpt2-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  for (const char* name : {"vocab.json", "merges.txt"}) {
    fs::copy_file(root_ / "tokenizers/gpt2" / name, folder / name, fs::copy_options::overwrite_existing);
  }
  const Tokenizer tokenizer = Tokenizer::load(folder.string());
  fs::remove_all(folder);
  EXPECT_GT(expect_vectors_of("gpt2", tokenizer), 50);
  EXPECT_EQ(tokenizer.eos_id(), 50256);
}

TEST_F(SharedData, GptNeoxGivesThePublishedIds) {
  const Tokenizer tokenizer = Tokenizer::load(path("tokenizers/gpt-neox"));
  EXPECT_GT(expect_vectors_of("gpt-neox", tokenizer), 40);
}

TEST_F(SharedData, Qwen2FromVocabAndMergesGivesThePublishedIds) {
  const Tokenizer tokenizer = Tokenizer::load(path("tokenizers/qwen2"));
  EXPECT_GT(expect_vectors_of("qwen2", tokenizer), 45);
  EXPECT_EQ(tokenizer.eos_id(), 151645);
  EXPECT_EQ(tokenizer.bos_id(), std::nullopt);
  EXPECT_EQ(tokenizer.encode("<|im_start|>a<|im_end|>", SpecialTokens::kAdd),
            (std::vector<int64_t>{151644, 64, 151645}));
}

TEST_F(SharedData, BooksModelGivesItsVectors) {
  const Tokenizer tokenizer = Tokenizer::load(path("models/books-4l"));
  const Json vectors = read_json(path("models/books-4l/tokenizer_vectors.json"));
  for (const Json& vector : vectors) expect_ids(tokenizer, vector, SpecialTokens::kAdd);
  EXPECT_EQ(tokenizer.bos_id(), 4095);
  EXPECT_FALSE(tokenizer.adds_bos());
}

TEST_F(SharedData, BooksModelDecodesToTheTextOfItsVectors) {
  const Tokenizer tokenizer = Tokenizer::load(path("models/books-4l"));
  for (const Json& vector : read_json(path("models/books-4l/tokenizer_vectors.json"))) {
    EXPECT_EQ(tokenizer.decode(vector.at("ids"), SpecialTokens::kAdd), vector.at("text").get<std::string>());
  }
}

TEST_F(SharedData, StoriesModelGivesItsVectorsWithTheBeginToken) {
  const Tokenizer tokenizer = Tokenizer::load(path("models/stories260K"));
  EXPECT_TRUE(tokenizer.adds_bos());
  for (const Json& vector : read_json(path("models/stories260K/tokenizer_vectors.json"))) {
    expect_ids(tokenizer, vector, SpecialTokens::kAdd);
    EXPECT_EQ(tokenizer.decode(vector.at("ids"), SpecialTokens::kNone), vector.at("text").get<std::string>());
  }
}

TEST_F(SharedData, CharacterModelReproducesItsCorpus) {
  const Tokenizer tokenizer = Tokenizer::load(path("models/slm-4096"));
  const std::string corpus = read_file(path("models/slm-4096/corpus.txt"));
  const std::vector<int64_t> ids = tokenizer.encode(corpus, SpecialTokens::kAdd);
  EXPECT_EQ(ids.size(), corpus.size());
  EXPECT_EQ(tokenizer.decode(ids, SpecialTokens::kNone), corpus);
}

// A megabyte takes 0.1 to 0.3 s on one core; the bound leaves room for sanitizers and a busy machine.
constexpr double kMaxSeconds = 20;

double seconds_to_encode(const Tokenizer& tokenizer, const std::string& text) {
  const auto start = std::chrono::steady_clock::now();
  const std::vector<int64_t> ids = tokenizer.encode(text, SpecialTokens::kNone);
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(tokenizer.decode(ids, SpecialTokens::kAdd), text);
  return passed.count();
}

TEST_F(SharedData, EncodingTimeIsNotQuadraticInTheText) {
  const Tokenizer gpt2 = Tokenizer::load(path("tokenizers/gpt2/tokenizer.json"));
  constexpr size_t kMegabyte = size_t{1} << 20;
  std::string prose = read_file(path("corpora/wikitext-2/valid.txt")).substr(0, kMegabyte);
  while (!is_valid_utf8(prose)) prose.pop_back();
  std::string mixed;
  for (size_t i = 0; i < kMegabyte; ++i) mixed += static_cast<char>('a' + i * i % 26);
  const std::map<std::string, std::string> texts = {{"prose", prose},
                                                    {"one word", std::string(kMegabyte, 'a')},
                                                    {"one mixed word", mixed},
                                                    {"spaces", std::string(kMegabyte, ' ') + "a"},
                                                    {"line ends", std::string(kMegabyte, '\n')}};
  for (const auto& [name, text] : texts) {
    const double seconds = seconds_to_encode(gpt2, text);
    EXPECT_LT(seconds, kMaxSeconds) << name;
    RecordProperty(name, std::to_string(seconds));
  }
}

}  // namespace
}  // namespace circuit
