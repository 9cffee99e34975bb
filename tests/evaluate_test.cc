// `evaluate` with baselines, and of several circuits on several tasks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "io/files.h"
#include "io/json.h"
#include "tests/program.h"
#include "tests/refusal.h"
#include "tests/tiny_model.h"

namespace circuit {
namespace {

using testing::HasSubstr;

class Evaluate : public testing::Test {
 protected:
  Evaluate() {
    write_tiny_model(model_, {"llama", false});
    // One record eight times, so that every task has a faithfulness: a random model moves others in other directions.
    for (const auto& [file, seed] : {std::pair(first_, 4), {second_, 11}}) {
      const std::string one = tiny_records(1, static_cast<uint64_t>(seed));
      std::string all;
      for (int i = 0; i < 8; ++i) all += one;
      write_file(file, all);
    }
    discover(a_, {"--top-edges", "30"});
    discover(b_, {"--top-edges", "50", "--method", "wanda"});
  }
  void discover(const std::string& out, const Arguments& more) const {
    Arguments arguments{"discover", model_, first_, "-o", out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramResult result = run_quiet(arguments);
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }
  ProgramResult evaluate(const std::vector<std::string>& data, const std::vector<std::string>& circuits,
                         const Arguments& more) const {
    Arguments arguments{"evaluate", model_};
    arguments.insert(arguments.end(), data.begin(), data.end());
    for (const std::string& c : circuits) arguments.insert(arguments.end(), {"--circuit", c});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_quiet(arguments);
  }
  Json json_of(const std::vector<std::string>& data, const std::vector<std::string>& circuits, Arguments more) const {
    more.emplace_back("--json");
    const ProgramResult result = evaluate(data, circuits, more);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return parse_json(result.out, "evaluate");
  }
  void refuses(const std::vector<std::string>& data, const std::vector<std::string>& circuits, const Arguments& more,
               const std::vector<std::string>& named) const {
    const ProgramResult result = evaluate(data, circuits, more);
    EXPECT_NE(result.exit_code, 0);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(result.error_lines.size(), 1U) << result.err;
    for (const std::string& name : named) EXPECT_THAT(result.err, HasSubstr(name));
  }
  ScratchFolder scratch_;
  const std::string model_ = scratch_ / "model";
  const std::string first_ = scratch_ / "first.jsonl";
  const std::string second_ = scratch_ / "second.jsonl";
  const std::string a_ = scratch_ / "a.json";
  const std::string b_ = scratch_ / "b.json";
};

const Arguments kAlone{"--no-curve", "--redundancy", "0"};

TEST_F(Evaluate, CellsAreWhatOneCircuitOnOneTaskGives) {
  for (const Arguments& more : {Arguments{}, {"--no-prune", "--ablation", "mean", "--seed", "3"}}) {
    const Json json = json_of({first_, second_}, {a_, b_}, more);
    const Json& m = json["matrix"];
    for (size_t t = 0; t < 2; ++t) {
      for (size_t c = 0; c < 2; ++c) {
        Arguments alone{"--no-curve", "--redundancy", c == 0 ? "0" : "5"};
        alone.insert(alone.end(), more.begin(), more.end());
        const Json one = json_of({t == 0 ? first_ : second_}, {c == 0 ? a_ : b_}, alone);
        const Json& cell = m["faithfulness"][t][c];
        ASSERT_FALSE(cell.is_null());
        EXPECT_EQ(cell["value"], one["faithfulness"]);
        EXPECT_EQ(cell["low"], one["faithfulness_interval"][0]);
        EXPECT_EQ(cell["high"], one["faithfulness_interval"][1]);
        EXPECT_EQ(m["values"][t][c], one["intervals"]["circuit"]);
        EXPECT_EQ(m["circuits"][c]["edges"], one["edges"]);
        EXPECT_EQ(m["circuits"][c]["edges_pruned"], one["edges_pruned"]);
        // Their intervals are drawn anew for every circuit: a task has those of the first.
        EXPECT_EQ(m["tasks"][t]["full"]["value"], one["full"]);
        EXPECT_EQ(m["tasks"][t]["empty"]["value"], one["empty"]);
        if (c > 0) continue;
        EXPECT_EQ(m["tasks"][t]["full"], one["intervals"]["full"]);
        EXPECT_EQ(m["tasks"][t]["empty"], one["intervals"]["empty"]);
      }
    }
    EXPECT_NE(m["faithfulness"][0], m["faithfulness"][1]);
  }
}

TEST_F(Evaluate, OverlapIsTheJaccardIndexOfTheEdges) {
  const auto edges = [](const std::string& file) {
    std::set<std::string> names;
    const Json json = read_json(file);
    for (const auto& [name, edge] : json["edges"].items()) {
      if (edge["in_graph"].get<bool>()) names.insert(name);
    }
    return names;
  };
  const std::set<std::string> a = edges(a_);
  const std::set<std::string> b = edges(b_);
  std::vector<std::string> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  const auto shared = static_cast<double>(both.size());
  const double expected = shared / (static_cast<double>(a.size() + b.size()) - shared);
  const Json overlap = json_of({first_}, {a_, b_}, {"--no-prune"})["matrix"]["overlap"];
  EXPECT_GT(expected, 0);
  EXPECT_LT(expected, 1);
  EXPECT_DOUBLE_EQ(overlap[0][1].get<double>(), expected);
  EXPECT_EQ(overlap[0][1], overlap[1][0]);
  EXPECT_EQ(overlap[0][0], 1.0);
}

TEST_F(Evaluate, AMatrixIsPrintedAsTablesAndDrawn) {
  const ProgramResult result = evaluate({first_, second_}, {a_, b_}, {"--page", scratch_ / "page.html"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const std::string& name : {first_, second_, a_, b_, std::string("overlap of edges")})
    EXPECT_THAT(result.out, HasSubstr(name));
  EXPECT_THAT(read_file(scratch_ / "page.html"), HasSubstr("id=\"matrix\""));
}

TEST_F(Evaluate, ATaskWithoutFaithfulnessIsNamedAndLeavesTheOthers) {
  Json record = parse_json(read_file(second_).substr(0, read_file(second_).find('\n')), "record");
  record["counterfactual_ids"] = record["text_ids"];
  write_file(second_, record.dump() + "\n" + record.dump() + "\n");
  const ProgramResult result = evaluate({first_, second_}, {a_, b_}, {"--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr(second_));
  const Json m = parse_json(result.out, "evaluate")["matrix"];
  EXPECT_FALSE(m["faithfulness"][0][1].is_null());
  EXPECT_TRUE(m["faithfulness"][1][0].is_null() && m["faithfulness"][1][1].is_null());
  EXPECT_TRUE(m["tasks"][1].contains("not_defined"));
  EXPECT_EQ(evaluate({first_, second_}, {a_, b_}, {"--page", scratch_ / "page.html"}).exit_code, 0);
}

TEST_F(Evaluate, WhatIsOfOneCircuitIsRefusedOfSeveral) {
  for (const Arguments& more :
       std::vector<Arguments>{{"--against", b_}, {"--baselines"}, {"--redundancy", "3"}, {"--no-curve"}}) {
    refuses({first_}, {a_, b_}, more, {more[0], "several"});
    refuses({first_, second_}, {a_}, more, {more[0], "several"});
  }
  refuses({first_}, {a_}, {"--draws", "3"}, {"--draws", "--baselines"});
  refuses({first_}, {a_}, {"--baselines", "--draws", "0"}, {"--draws"});
  const std::string blocks = scratch_ / "blocks.json";
  discover(blocks, {"--top-edges", "30", "--ungrouped"});
  refuses({first_}, {a_, blocks}, {}, {blocks, a_});
  refuses({first_, scratch_ / "absent.jsonl"}, {a_}, {}, {"absent.jsonl"});
  refuses({first_, second_}, {a_}, {"--page", second_}, {"--page", second_});
}

TEST_F(Evaluate, BaselinesHaveTheCircuitsSizeAndChangeNothingElse) {
  const Json plain = json_of({first_}, {a_}, kAlone);
  Arguments more = kAlone;
  more.insert(more.end(), {"--baselines", "--draws", "3"});
  Json json = json_of({first_}, {a_}, more);
  EXPECT_EQ(json, json_of({first_}, {a_}, more));
  const Json baselines = json["baselines"];
  ASSERT_EQ(baselines.size(), 3U);
  EXPECT_EQ(baselines[0]["draws"].size(), 3U);
  for (const Json& b : baselines) {
    for (const Json& draw : b["draws"]) EXPECT_EQ(draw["edges_pruned"], json["edges_pruned"]) << b;
  }
  json.erase("baselines");
  EXPECT_EQ(json, plain);
  more.insert(more.end(), {"--seed", "9"});
  const Json other = json_of({first_}, {a_}, more)["baselines"];
  EXPECT_NE(other[0]["draws"], baselines[0]["draws"]);
  EXPECT_EQ(other[1]["draws"], baselines[1]["draws"]);
}

TEST_F(Evaluate, BaselinesStandInTheTextAndOnThePage) {
  const ProgramResult result =
      evaluate({first_}, {a_}, {"--redundancy", "0", "--baselines", "--page", scratch_ / "page.html"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const char* word : {"random", "magnitude", "wanda", "as faithful", " of 5"})
    EXPECT_THAT(result.out, HasSubstr(word));
  EXPECT_THAT(read_file(scratch_ / "page.html"), HasSubstr("id=\"baselines\""));
}

TEST_F(Evaluate, ACircuitOfWhichNothingRunsHasNoBaselines) {
  Json circuit = read_json(a_);
  for (auto& edge : circuit["edges"]) edge["in_graph"] = false;
  circuit["edges"]["a0.h0->logits"]["in_graph"] = true;  // nothing feeds it
  write_file(a_, circuit.dump());
  refuses({first_}, {a_}, {"--baselines"}, {a_, "1 edges"});
}

}  // namespace
}  // namespace circuit
