#include "evaluation/evaluation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "core/error.h"
#include "io/files.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

fs::path shared() { return fs::path(CIRCUIT_SOURCE_DIR) / "../shared/data"; }

TEST(Text, SlmKnowsItsCorpus) {
  const fs::path folder = shared() / "models/slm-4096";
  if (!fs::exists(folder)) GTEST_SKIP() << "../shared is absent";
  const Model model = Model::load(Checkpoint::open(folder.string()), {});
  const LazyTokenizer tokenizer(folder.string());
  const std::string text = read_file((folder / "corpus.txt").string());
  const TextResult result = evaluate_text(model, encode_text(tokenizer.get(), text, BeginToken::kAuto), 128, 4);
  EXPECT_EQ(result.tokens, 4095);
  constexpr double kFloat32 = 1e-5;  // float32 against the float64 reference
  EXPECT_NEAR(result.nll, 0.08356836776679799, kFloat32);
}

TEST(Text, Books4lKnowsItsFirstValidationDocument) {
  const fs::path folder = shared() / "models/books-4l";
  if (!fs::exists(folder)) GTEST_SKIP() << "../shared is absent";
  const Model model = Model::load(Checkpoint::open(folder.string()), {});
  const LazyTokenizer tokenizer(folder.string());
  std::string text = read_file((shared() / "corpora/children_en.valid.txt").string());
  text.resize(text.find("<|endoftext|>"));
  const EncodedText encoded = encode_text(tokenizer.get(), text, BeginToken::kAuto);
  EXPECT_EQ(encoded.ids.size(), 11209u);
  const TextResult result = evaluate_text(model, encoded, 128, 16);
  EXPECT_NEAR(result.nll, 3.62293, 2e-5);
  EXPECT_NEAR(result.nll_byte, 1.01098, 2e-5);
}

TEST(Task, PronounsGiveTheReferenceLogitDifferences) {
  const fs::path folder = shared() / "models/stories260K";
  if (!fs::exists(folder)) GTEST_SKIP() << "../shared is absent";
  const Model model = Model::load(Checkpoint::open(folder.string()), {});
  const std::string lines = read_file((folder / "task_pronoun.jsonl").string());
  std::vector<Example> examples;
  double expected = 0;
  each_json_line(lines, "task_pronoun.jsonl", [&](const Json& record, const std::string&) {
    Example e;
    e.ids = record.at("clean_ids").get<std::vector<int64_t>>();
    e.readouts.push_back(
        {static_cast<int64_t>(e.ids.size()), {record.at("answer_id")}, {record.at("wrong_id")}, "she"});
    expected += record.at("clean_logit_diff").get<double>();
    examples.push_back(e);
  });
  ASSERT_EQ(examples.size(), 282u);
  const TaskResult result = evaluate_task(model, examples, logit_diff_metric(), 32);
  EXPECT_NEAR(result.metric, expected / 282, 1e-4);
  EXPECT_EQ(result.count_by.at("she"), 282);
  EXPECT_NEAR(result.accuracy_by.at("she"), result.accuracy, 1e-12);
}

TEST(Text, EveryTokenAfterTheFirstIsScoredOnceWhateverTheBatch) {
  const Model model = Model::random(tiny_architecture("gpt2"), 0.3, 1, {});
  EncodedText text;
  for (int64_t i = 0; i < 40; ++i) text.ids.push_back(i * 7 % 13);
  text.bytes = 40;
  const TextResult a = evaluate_text(model, text, 8, 1);
  const TextResult b = evaluate_text(model, text, 8, 16);
  EXPECT_EQ(a.tokens, 39);
  EXPECT_NEAR(a.nll, b.nll, 1e-6);
  EXPECT_THROW(evaluate_text(model, text, 13, 1), Error);
  EXPECT_THROW(evaluate_text(model, {{1}, 0, 1}, 8, 1), Error);
}

TEST(Text, BeginTokensAreGivenNotScored) {
  const Model model = Model::random(tiny_architecture("gpt2"), 0.5, 1, {});
  EncodedText text{{1, 2, 3, 4, 5}, 0, 5};
  const TextResult all = evaluate_text(model, text, 8, 1);
  const TextResult first = evaluate_text(model, {{1, 2}, 0, 5}, 8, 1);
  text.begin_tokens = 2;
  const TextResult scored = evaluate_text(model, text, 8, 1);
  EXPECT_EQ(scored.tokens, 3);
  EXPECT_NEAR(scored.nll * 3, all.nll * 4 - first.nll, 1e-5);
  EXPECT_THROW(evaluate_text(model, text, 2, 1), Error);
}

TEST(Pairs, ComparesSummedLogProbabilities) {
  const Model model = Model::random(tiny_architecture("gpt2"), 0.5, 1, {});
  // Each pair and its mirror: exactly one of the two is right, unless they tie.
  std::vector<MinimalPair> pairs;
  for (int64_t i = 0; i < 6; ++i) {
    pairs.push_back({{1, 2, i}, {1, 2, i + 6, 3}, "a", ""});
    pairs.push_back({{1, 2, i + 6, 3}, {1, 2, i}, "b", ""});
  }
  const PairsResult result = evaluate_pairs(model, pairs, 5);
  EXPECT_NEAR(result.accuracy, 0.5, 1e-12);
  EXPECT_NEAR(result.accuracy_by.at("a") + result.accuracy_by.at("b"), 1, 1e-12);
}

Example with_readout(std::vector<int64_t> ids, std::vector<int64_t> correct, std::vector<int64_t> wrong) {
  Example e;
  e.ids = std::move(ids);
  e.readouts.push_back({static_cast<int64_t>(e.ids.size()), std::move(correct), std::move(wrong), "x"});
  e.place = "d.jsonl";
  return e;
}

// Records with both answers, with one and with none (a completion): what is compared is a matter of each readout.
TEST(Task, MixedRecordsGiveTheSameNumbersWhateverTheBatch) {
  const Model model = Model::random(tiny_architecture("gpt2"), 0.5, 3, {});
  std::vector<Example> examples{with_readout({1, 2, 3}, {4}, {5}), with_readout({3, 2}, {4}, {}),
                                with_readout({7, 8, 9, 1}, {2, 3}, {5}), Example()};
  examples[3].ids = {4, 5, 6};
  examples[3].place = "d.jsonl";
  const TaskResult one = evaluate_task(model, examples, log_prob_metric(), 1);
  EXPECT_EQ(one.compared, 2);
  for (const int64_t batch : {2, 3, 4}) {
    const TaskResult other = evaluate_task(model, examples, log_prob_metric(), batch);
    EXPECT_EQ(other.compared, one.compared) << batch;
    EXPECT_EQ(other.accuracy, one.accuracy) << batch;
    EXPECT_NEAR(other.metric, one.metric, 1e-5) << batch;
    EXPECT_NEAR(other.logit_diff, one.logit_diff, 1e-5) << batch;
  }
  // A metric that some record cannot have is refused, not averaged over the rest.
  EXPECT_THROW(evaluate_task(model, examples, logit_diff_metric(), 4), Error);
}

TEST(Task, ARecordOfOneTokenHasNoTargetAndIsNamed) {
  const Model model = Model::random(tiny_architecture("gpt2"), 0.5, 3, {});
  const std::vector<Example> one{with_readout({1}, {2}, {3})};
  EXPECT_NO_THROW(evaluate_task(model, one, logit_diff_metric(), 1));
  try {
    evaluate_task(model, one, nll_metric(), 1);
    ADD_FAILURE() << "a record without targets has no nll";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("[d.jsonl]"), std::string::npos) << error.what();
  }
}

// Weights of 1e30 overflow to logits that are no numbers: neither an accuracy of 0 nor one of 0.5 may come of them.
TEST(NotFinite, IsNotCompared) {
  Model model = Model::random(tiny_architecture("gpt2"), 1e30, 3, {});
  MinimalPair pair;
  pair.good = {1, 2, 3};
  pair.bad = {1, 2, 4};
  pair.place = "d.jsonl:1";
  EXPECT_THROW(evaluate_pairs(model, {pair}, 1), Error);
  ChoiceRecord record;
  record.choices = {{{1, 2}, 1, 1}, {{1, 3}, 1, 1}};
  record.place = "d.jsonl:1";
  EXPECT_THROW(evaluate_choices(model, {record}, 1), Error);
  EXPECT_THROW(evaluate_task(model, {with_readout({1, 2}, {3}, {4})}, logit_diff_metric(), 1), Error);
}

}  // namespace
}  // namespace circuit
