// Circuits of spans through the program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/finer.h"

namespace circuit {
namespace {

class SpansRun : public Finer {
 protected:
  // Scores of records with these spans.
  void score(const std::string& model, const Json& spans, const Arguments& more = {}) const {
    write_file(data_, with_spans(the_same_record_eight_times(), spans));
    Arguments arguments{"--spans", scores_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    discover(model, arguments);
  }
  Arguments spans_run(const std::string& model, const Arguments& more) const {
    Arguments arguments{"evaluate", model, data_, "--span-scores", scores_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  Json run(const std::string& model, const Arguments& more) const {
    Arguments arguments = spans_run(model, more);
    arguments.push_back("--json");
    const ProgramResult result = run_quiet(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return parse_json(result.out, "evaluate");
  }
  void refuses_spans(const Arguments& arguments, const std::vector<std::string>& words, int code = kFailure) const {
    expect_refused(scratch_, arguments, words, code);
  }
  const std::string scores_ = scratch_ / "spans.safetensors";
};

const Json kSpans = {{"first", {0, 1}}, {"second", {2, 2}}};

// With one span a pair is an edge: the same circuit of so many edges, unpruned.
TEST_F(SpansRun, OfOneSpanAreCircuitsOfEdges) {
  for (const std::string& model : {gpt2_, llama_}) {
    const Json record = parse_json(tiny_records(1, 4), "record");
    score(model, {{"whole", {0, record["text_ids"].size() - 1}}}, {"--top-edges", "40"});
    const Json expected = evaluate(model, out_, {"--no-prune"});
    const Json found = run(model, {"--top-pairs", "40"});
    EXPECT_EQ(found["spans"], Json({"whole", "rest"}));
    EXPECT_EQ(found["pairs"], 40);
    for (const char* key : {"full", "empty", "circuit", "faithfulness"}) {
      EXPECT_NEAR(found[key].get<double>(), expected[key].get<double>(), kRounding) << key;
    }
    EXPECT_NEAR(found["everywhere"]["faithfulness"]["value"].get<double>(), found["faithfulness"].get<double>(),
                kRounding);
  }
}

TEST_F(SpansRun, OfAllPairsAreTheModelAndOfSomeTheyAreLess) {
  for (const std::string& model : {gpt2_, llama_}) {
    score(model, kSpans);
    const Json whole = run(model, {"--top-pairs", "1000000"});
    EXPECT_EQ(whole["spans"], Json({"first", "second", "rest"}));
    EXPECT_EQ(whole["pairs"], whole["pairs_scored"]);
    EXPECT_NEAR(whole["faithfulness"].get<double>(), 1, 1e-3);
    EXPECT_NEAR(whole["completeness_gap"]["value"].get<double>(), 0, 1e-3);
    const Json some = run(model, {"--top-pairs", "60"});
    EXPECT_EQ(some["pairs"], 60);
    EXPECT_LT(some["edges"].get<int64_t>(), 60);
    // All pairs of those edges are more than these pairs.
    EXPECT_GT(std::abs(some["everywhere"]["difference"]["value"].get<double>()), 1e-4);
    const Json& last = some["curve"].back();
    EXPECT_EQ(last["pairs"], some["pairs_scored"]);
    EXPECT_NEAR(last["faithfulness"]["value"].get<double>(), 1, 1e-3);
  }
  const ProgramResult text = run_quiet(spans_run(llama_, {"--top-pairs", "60"}));
  EXPECT_THAT(text.out, testing::HasSubstr("edges everywhere"));
}

TEST_F(SpansRun, AreTheSameInBatchesOfOtherSizesAndSplitMlps) {
  score(gpt2_, kSpans, {"--mlp-block", std::to_string(kBlock)});
  const Json one = run(gpt2_, {"--top-pairs", "90", "--batch", "1"});
  const Json all = run(gpt2_, {"--top-pairs", "90", "--batch", "8"});
  EXPECT_NEAR(one["circuit"].get<double>(), all["circuit"].get<double>(), kRounding);
  EXPECT_EQ(one["edges"], all["edges"]);
}

TEST_F(SpansRun, RefuseWhatDoesNotFit) {
  score(gpt2_, kSpans);
  refuses_spans(spans_run(gpt2_, {}), {"top-pairs"}, kWrongUse);
  refuses_spans(spans_run(llama_, {"--top-pairs", "5"}), {"spans.safetensors", "edges are not the model's"});
  refuses_spans(spans_run(gpt2_, {"--top-pairs", "5", "--circuit", out_}), {"--circuit"}, kWrongUse);
  Arguments other = spans_run(gpt2_, {"--top-pairs", "5"});
  other[4] = gpt2_ + "/model.safetensors";
  refuses_spans(other, {"span_scores", "missing"});
  write_file(data_, with_spans(the_same_record_eight_times(), {{"third", {0, 1}}}));
  refuses_spans(spans_run(gpt2_, {"--top-pairs", "5"}), {"data.jsonl:1", "third", "first"});
  const std::vector<float> scores(8, 1);
  write_safetensors(scores_, {{"span_scores", "F32", {2, 2, 2}, scores.data()}}, {{"edges", R"(["a"])"}});
  refuses_spans(spans_run(gpt2_, {"--top-pairs", "5"}), {"edges", "found 1 names, expected 2"});
}

}  // namespace
}  // namespace circuit
