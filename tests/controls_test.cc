// What a run trains in the place of a circuit, what holds it to its base, and how far it went from it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/files.h"
#include "io/json.h"
#include "tests/refusal.h"
#include "tests/tiny_run.h"

namespace circuit {
namespace {

const Settings kShort{"tuning.steps=12",      "selection.n=6",     "tuning.batch=2",     "optimizer.lr=0.02",
                      "optimizer.kind=adamw", "discovery.every=4", "evaluation.every=12"};

void expect_success(const Arguments& arguments) {
  const ProgramResult result = run_program(arguments);
  ASSERT_EQ(result.exit_code, 0) << testing::PrintToString(arguments) << result.err;
}

// A run that ends before its first step.
void expect_no_run(const ScratchFolder& scratch, Arguments arguments, const std::vector<std::string>& words) {
  arguments.resize(arguments.size() - quiet({}).size());
  expect_refused(scratch, arguments, words);
}

Settings joined(Settings settings, const Settings& more) {
  settings.insert(settings.end(), more.begin(), more.end());
  return settings;
}

int64_t most_trained(const std::string& run) { return query(run, "SELECT max(trainable_parameters) FROM steps"); }

class Controls : public testing::Test {
 protected:
  TinyRuns runs_{{}, kShort};

  // The last value of an evaluation, in millionths.
  int64_t millionths(const std::string& run, const std::string& name) const {
    return query(runs_.run(run), "SELECT CAST(1e6 * value AS INTEGER) FROM evaluations WHERE name = '" + name +
                                     "' ORDER BY step DESC LIMIT 1");
  }
  std::string text(const std::string& name, const std::string& bytes) const {
    write_file(runs_.scratch() / name, bytes);
    return runs_.scratch() / name;
  }
};

TEST_F(Controls, TrainNoMoreParametersThanTheCircuitHas) {
  expect_success(runs_.tune("circuit"));
  const int64_t circuits = most_trained(runs_.run("circuit"));
  ASSERT_GT(circuits, 0);
  const std::string stratified = "selection.slices=random-stratified";
  const std::string replay = text("general.txt", "a dog ran to the cat and then the cat ran to a dog as it did before");
  const Settings contrastive{"selection.slices=contrastive", "data.replay=" + replay, "data.window=8"};
  for (const Settings& settings : {Settings{stratified}, Settings{stratified, "tuning.method=fixed"},
                                   Settings{"selection.slices=gradient-norm"}, contrastive}) {
    const std::string name = settings[0].substr(settings[0].find('=') + 1) + std::to_string(settings.size());
    expect_success(runs_.tune(name, settings));
    EXPECT_GT(most_trained(runs_.run(name)), 0) << name;
    EXPECT_LE(most_trained(runs_.run(name)), circuits) << name;
    EXPECT_NE(checkpoints_of(runs_.run(name)), checkpoints_of(runs_.run("circuit"))) << name;
  }
  EXPECT_NE(checkpoints_of(runs_.run("contrastive3")), checkpoints_of(runs_.run("gradient-norm1")));
  expect_no_run(runs_.scratch(), runs_.tune("none", {"selection.slices=contrastive"}), {"data.replay"});
  // One of every layer and kind stands for one: the sizes are the circuit's to the parameter.
  EXPECT_EQ(most_trained(runs_.run("random-stratified1")), circuits);
}

// What a tuning of every slice changed most.
TEST_F(Controls, FollowAnOracle) {
  expect_success(runs_.tune("full", {"tuning.method=full", "selection.n=6"}));
  const std::string tuned = runs_.run("tuned");
  expect_success(quiet({"export", runs_.run("full"), "--out", tuned}));
  const Settings oracle{"selection.slices=oracle", "selection.tuned_model=" + tuned};
  expect_success(runs_.tune("whole", oracle));
  EXPECT_GT(most_trained(runs_.run("whole")), 0);
  expect_no_run(runs_.scratch(), runs_.tune("none", {"selection.slices=oracle"}), {"selection.tuned_model"});
  expect_no_run(runs_.scratch(),
                runs_.tune("none", {"selection.slices=oracle", "selection.tuned_model=" + runs_.model()}),
                {"does not differ from the base"});
}

// The paper's R: one set, outside a finished run's circuit.
TEST_F(Controls, RandomNodesOutsideAFinishedRun) {
  expect_success(runs_.tune("first"));
  const Settings outside{"selection.extra_random=0.5", "selection.extra_outside=" + runs_.run("first")};
  expect_success(runs_.tune("wider", outside));
  EXPECT_GT(most_trained(runs_.run("wider")), most_trained(runs_.run("first")));
  expect_success(runs_.tune("each", {"selection.extra_random=0.5"}));
  EXPECT_NE(checkpoints_of(runs_.run("wider")), checkpoints_of(runs_.run("each")));
  expect_no_run(runs_.scratch(), runs_.tune("none", {"selection.extra_outside=" + runs_.run("first")}),
                {"selection.extra_outside", "selection.extra_random"});
  expect_no_run(runs_.scratch(), runs_.tune("none", {"selection.extra_random=0.5", "selection.extra_outside=nowhere"}),
                {"nowhere"});
  expect_no_run(runs_.scratch(), runs_.tune("none", joined(outside, {"discovery.mlp_block=4"})),
                {"selection.extra_outside", "mlp_block"});
}

TEST_F(Controls, GiveAdaptersOtherHeads) {
  const Settings adapters{"tuning.method=lora", "lora.circuit=true", "lora.rank=2"};
  expect_success(runs_.tune("circuit", adapters));
  expect_success(runs_.tune("random", joined(adapters, {"selection.slices=random-stratified"})));
  EXPECT_NE(checkpoints_of(runs_.run("random")), checkpoints_of(runs_.run("circuit")));
  expect_no_run(runs_.scratch(), runs_.tune("none", joined(adapters, {"selection.slices=gradient-norm"})),
                {"selection.slices", "before there is a gradient"});
  expect_success(runs_.tune("by-score", joined(adapters, {"lora.rank_by_score=true"})));
  EXPECT_NE(checkpoints_of(runs_.run("by-score")), checkpoints_of(runs_.run("circuit")));
  expect_no_run(runs_.scratch(), runs_.tune("none", {"tuning.method=lora", "lora.rank_by_score=true"}),
                {"lora.rank_by_score", "lora.circuit"});
  expect_no_run(runs_.scratch(),
                runs_.tune("none", joined(adapters, {"lora.rank_by_score=true", "selection.slices=random-stratified"})),
                {"lora.rank_by_score", "selection.slices"});
}

TEST_F(Controls, AnchorsHoldAModelToItsBase) {
  const std::string untouched = text("untouched.txt", "the cat saw a dog and the dog saw a cat while it sat on a mat");
  const std::string replay = text("replay.txt", "a dog ran to the cat and then the cat ran to a dog as it did before");
  const Settings compared{"data.untouched=" + untouched, "evaluation.kl=true", "tuning.method=full",
                          "evaluation.window=8"};
  expect_success(runs_.tune("free", compared));
  expect_success(runs_.tune("anchored", joined(compared, {"tuning.anchor=3"})));
  expect_success(runs_.tune("held", joined(compared, {"data.replay=" + replay, "tuning.anchor_replay=3",
                                                      "data.replay_share=1", "data.window=8"})));
  const int64_t free = millionths("free", "untouched/kl");
  EXPECT_GT(free, 1000);
  EXPECT_LT(millionths("anchored", "untouched/kl"), free);
  EXPECT_LT(millionths("held", "untouched/kl"), free);
  EXPECT_EQ(query(runs_.run("free"),
                  "SELECT CAST(1e6 * value AS INTEGER) FROM evaluations WHERE step = 0 AND name = "
                  "'untouched/kl'"),
            0);
  expect_no_run(runs_.scratch(), runs_.tune("none", {"tuning.anchor_replay=1"}), {"data.replay"});
  expect_no_run(runs_.scratch(), runs_.tune("none", {"evaluation.kl=true"}), {"evaluation.kl", "data.untouched"});
  expect_no_run(runs_.scratch(), runs_.tune("none", {"evaluation.mask_task=true"}), {"evaluation.kl"});
}

// Ends where the metric is reached; general text is read there and on the other side, to draw the line between them.
TEST_F(Controls, AMetricEndsARun) {
  const std::string untouched = text("untouched.txt", "the cat saw a dog and the dog saw a cat while it sat on a mat");
  const Settings settings{"data.untouched=" + untouched, "evaluation.kl=true", "evaluation.window=8", "tuning.steps=40",
                          "evaluation.every=2",          "tuning.method=full", "optimizer.lr=0.002"};
  expect_success(runs_.tune("whole", settings));
  const std::string metric =
      "SELECT CAST(1e6 * value AS INTEGER) FROM evaluations WHERE name = 'dev/metric' AND step = ";
  const int64_t goal =
      query(runs_.run("whole"), "SELECT CAST(1e6 * max(value) AS INTEGER) FROM evaluations WHERE name = 'dev/metric'");
  const int64_t there =
      query(runs_.run("whole"), "SELECT step FROM evaluations WHERE name = 'dev/metric' ORDER BY value DESC LIMIT 1");
  ASSERT_GT(goal, query(runs_.run("whole"), metric + "0"));
  expect_success(runs_.tune("stopped", joined(settings, {"evaluation.stop_at=" + std::to_string(double(goal) / 1e6)})));
  const std::string run = runs_.run("stopped");
  const int64_t end = query(run, "SELECT max(step) FROM evaluations");
  EXPECT_LE(end, there);
  EXPECT_GE(query(run, metric + std::to_string(end)), goal - 1);
  EXPECT_LT(query(run, metric + std::to_string(end - 2)), goal);
  EXPECT_EQ(query(run, "SELECT count(*) FROM steps"), end);
  const std::string costs = "SELECT count(*) FROM evaluations WHERE name = 'untouched/kl'";
  EXPECT_EQ(query(run, costs), 3);
  for (const int64_t step : {int64_t{0}, end - 2, end}) {
    const std::string at = " AND step = " + std::to_string(step);
    EXPECT_EQ(query(run, costs + at), 1) << step;
    const std::string cost = "SELECT CAST(1e6 * value AS INTEGER) FROM evaluations WHERE name = 'untouched/kl'" + at;
    EXPECT_EQ(query(run, cost), query(runs_.run("whole"), cost)) << step;
  }
  expect_no_run(runs_.scratch(), runs_.tune("none", {"evaluation.stop_at=soon"}), {"evaluation.stop_at", "number"});
}

TEST_F(Controls, ScoresCompareWithABase) {
  expect_success(runs_.tune("run", {"tuning.method=full"}));
  const std::string tuned = runs_.run("tuned");
  expect_success(quiet({"export", runs_.run("run"), "--out", tuned}));
  const std::string words = text("words.txt", "the cat saw a dog and the dog saw a cat");
  const auto score = [&](const std::string& model, Arguments more) {
    Arguments arguments{"score", model, words, "--against", runs_.model(), "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramResult result = run_quiet(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return parse_json(result.out, "stdout")[0];
  };
  const Json all = score(tuned, {});
  EXPECT_GT(all["kl"].get<double>(), 1e-4);
  EXPECT_LE(all["top1_agreement"].get<double>(), 1);
  EXPECT_EQ(all["masked"], 0);
  EXPECT_NEAR(score(runs_.model(), {})["kl"].get<double>(), 0, 1e-7);
  const Json masked = score(tuned, {"--mask-words", "cat,dog"});
  EXPECT_GT(masked["masked"].get<int64_t>(), 0);
  EXPECT_EQ(masked["masked"].get<int64_t>() + masked["compared"].get<int64_t>(), all["compared"].get<int64_t>());
  EXPECT_NE(masked["kl"], all["kl"]);
  const std::string records = runs_.scratch() / "test.jsonl";
  const ProgramResult readouts =
      run_quiet({"score", tuned, records, "--against", runs_.model(), "--mask-readouts", "--json"});
  EXPECT_GT(parse_json(readouts.out, "stdout")[0]["masked"].get<int64_t>(), 0) << readouts.err;
  const std::string pairs = text("pairs.jsonl", R"({"good": "a cat", "bad": "cat a", "UID": "one"})"
                                                "\n"
                                                R"({"good": "a dog", "bad": "dog a", "UID": "two"})");
  expect_refused(runs_.scratch(), {"score", tuned, pairs, "--against", runs_.model()}, {"pairs.jsonl", "--against"});
  expect_refused(runs_.scratch(), {"score", tuned, words, "--mask-readouts"}, {"--against"}, kWrongUse);
}

// BLiMP's paradigms, by name.
TEST_F(Controls, LeavePairsOutByName) {
  const std::string pairs =
      text("pairs.jsonl", R"({"sentence_good": "the cat", "sentence_bad": "the zat", "UID": "one"})"
                          "\n"
                          R"({"sentence_good": "the dog", "sentence_bad": "the zog", "UID": "two"})");
  const auto score = [&](const Arguments& names) {
    Arguments arguments{"score", runs_.model(), pairs, "--json"};
    for (const std::string& name : names) arguments.insert(arguments.end(), {"--leave-out", name});
    const ProgramResult result = run_quiet(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return parse_json(result.out, "stdout")[0];
  };
  EXPECT_EQ(score({})["pairs"], 2);
  EXPECT_EQ(score({"two"})["pairs"], 1);
  EXPECT_EQ(score({"two"})["left_out"], 1);
  const Json none = score({"one", "two"});
  EXPECT_EQ(none["pairs"], 0);
  EXPECT_FALSE(none.contains("accuracy"));  // a share of nothing
  expect_refused(runs_.scratch(), {"score", runs_.model(), pairs, "--leave-out", "three"}, {"'three'", "--leave-out"});
}

}  // namespace
}  // namespace circuit
