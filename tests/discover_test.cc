// What `discover` writes: the circuit as JSON and in its compact form, and nothing but results on stdout.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "io/files.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "tests/program.h"
#include "tests/refusal.h"
#include "tests/tiny_model.h"

namespace circuit {
namespace {

class Discover : public testing::Test {
 protected:
  Discover() {
    write_file(data_, tiny_records(9, 4));
    write_tiny_model(gpt2_, TinySpec());
    write_tiny_model(llama_, {"llama", false});
  }
  Json discover(const std::string& model, const Arguments& more) {
    const std::string out = scratch_ / "circuit.json";
    Arguments arguments{"discover", model, data_, "-o", out, "--top-edges", "7"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramResult result = run_quiet(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.err, "");
    return read_json(out);
  }
  ScratchFolder scratch_;
  const std::string data_ = scratch_ / "data.jsonl";
  const std::string gpt2_ = scratch_ / "gpt2";
  const std::string llama_ = scratch_ / "llama";
};

std::vector<std::string> keys_of(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

// Edges of a sequential transformer by counting: each reader sees the input and the outputs before it.
int64_t expected_edges(int64_t layers, int64_t heads, int64_t kv) {
  int64_t edges = 0;
  for (int64_t l = 0; l < layers; ++l) {
    const int64_t before = 1 + l * (heads + 1);
    edges += (heads + 2 * kv) * before + before + heads;
  }
  return edges + 1 + layers * (heads + 1);
}

TEST_F(Discover, TheMethodsOwnSettingsStandInTheFile) {
  EXPECT_EQ(discover(gpt2_, {"--method", "eap-ig-inputs", "--ig-steps", "3"})["meta"]["ig_steps"], "3");
  EXPECT_FALSE(discover(gpt2_, {})["meta"].contains("ig_steps"));
}

TEST_F(Discover, WritesEveryEdgeAndTheKeysThatOtherToolsRead) {
  const Json file = discover(gpt2_, {});
  EXPECT_THAT(keys_of(file), testing::UnorderedElementsAre("cfg", "nodes", "edges", "meta"));
  EXPECT_EQ(file["cfg"], Json({{"n_layers", 2},
                               {"n_heads", 3},
                               {"n_kv_heads", 3},
                               {"parallel_attn_mlp", false},
                               {"d_model", 12},
                               {"d_head", 4}}));
  EXPECT_THAT(keys_of(file["nodes"]), testing::UnorderedElementsAre("input", "a0.h0", "a0.h1", "a0.h2", "m0", "a1.h0",
                                                                    "a1.h1", "a1.h2", "m1", "logits"));
  EXPECT_THAT(keys_of(file["meta"]), testing::IsSupersetOf({"model", "data", "method", "metric", "ablation",
                                                            "positions", "bos", "examples", "version"}));
  EXPECT_EQ(static_cast<int64_t>(file["edges"].size()), expected_edges(2, 3, 3));
  int64_t inside = 0;
  for (const auto& [name, edge] : file["edges"].items()) {
    EXPECT_TRUE(edge["score"].is_number()) << name;
    if (!edge["in_graph"].get<bool>()) continue;
    ++inside;
    // Nodes are in the graph when one of their edges is: "a0.h1<q>" belongs to "a0.h1".
    const size_t arrow = name.find("->");
    const std::string reader = name.substr(arrow + 2);
    EXPECT_TRUE(file["nodes"][name.substr(0, arrow)]["in_graph"].get<bool>()) << name;
    EXPECT_TRUE(file["nodes"][reader.substr(0, reader.find('<'))]["in_graph"].get<bool>()) << name;
  }
  EXPECT_EQ(inside, 7);
}

TEST_F(Discover, CompactFormHoldsTheSameScores) {
  const Json file = discover(llama_, {});
  const std::string out = scratch_ / "circuit.safetensors";
  ASSERT_EQ(run_quiet({"discover", llama_, data_, "-o", out, "--top-edges", "7", "--compact"}).exit_code, 0);
  const std::string bytes = read_file(out);
  const SafetensorsHeader header = parse_safetensors(bytes, out);
  std::map<std::string, TensorEntry> tensors;
  for (const TensorEntry& t : header.tensors) tensors[t.name] = t;
  const Json upstream = parse_json(header.metadata.at("upstream_nodes"), "upstream");
  const Json downstream = parse_json(header.metadata.at("downstream_nodes"), "downstream");
  ASSERT_EQ(tensors["scores"].shape, std::vector<int64_t>{static_cast<int64_t>(file["edges"].size())});
  // Edge order: by reader, then writer; a reader sees a prefix of the writers.
  size_t id = 0;
  for (const Json& reader : downstream) {
    for (const Json& writer : upstream) {
      const std::string name = writer.get<std::string>() + "->" + reader.get<std::string>();
      if (!file["edges"].contains(name)) break;
      float score = 0;
      std::memcpy(&score, bytes.data() + tensors["scores"].begin + id * sizeof score, sizeof score);
      EXPECT_EQ(file["edges"][name]["score"].get<float>(), score) << name;
      EXPECT_EQ(file["edges"][name]["in_graph"].get<bool>(), bytes[tensors["circuit"].begin + id] != 0) << name;
      ++id;
    }
  }
  EXPECT_EQ(id, file["edges"].size());
}

TEST_F(Discover, UngroupedScoresSumToTheGroupedOnes) {
  constexpr double kRounding = 1e-5;  // float32 sums of a few terms
  const Json grouped = discover(llama_, {})["edges"];
  const Json ungrouped = discover(llama_, {"--ungrouped"})["edges"];
  EXPECT_EQ(static_cast<int64_t>(grouped.size()), expected_edges(2, 4, 2));
  EXPECT_EQ(static_cast<int64_t>(ungrouped.size()), expected_edges(2, 4, 4));
  std::map<std::string, double> sums;
  for (const auto& [name, edge] : ungrouped.items()) {
    std::string key = name;
    const size_t reader = name.find("->") + 2;
    if (name.find("<k>") != std::string::npos || name.find("<v>") != std::string::npos) {
      // "a1.h3<k>" reads for key/value head 3 / 2 = 1.
      const int head = name[reader + 4] - '0';
      key = name.substr(0, reader) + name.substr(reader, 3) + "kv" + std::to_string(head / 2) + name.substr(reader + 5);
    }
    sums[key] += edge["score"].get<double>();
  }
  ASSERT_EQ(sums.size(), grouped.size());
  for (const auto& [name, edge] : grouped.items()) {
    ASSERT_EQ(sums.count(name), 1U) << name;
    EXPECT_NEAR(sums[name], edge["score"].get<double>(), kRounding) << name;
  }
}

TEST_F(Discover, BatchSizeChangesNoScore) {
  constexpr double kRounding = 1e-5;
  const Json one = discover(gpt2_, {"--batch", "1"})["edges"];
  const Json many = discover(gpt2_, {"--batch", "9"})["edges"];
  for (const auto& [name, edge] : one.items()) {
    EXPECT_NEAR(edge["score"].get<double>(), many[name]["score"].get<double>(), kRounding) << name;
  }
}

TEST_F(Discover, StdoutHoldsOneJsonDocumentAndLogsGoToStderr) {
  write_file(scratch_ / "text.txt", "a cat and a dog\n");
  const std::string out = scratch_ / "circuit.json";
  const std::vector<Arguments> commands{{"inspect", llama_, "--json"},
                                        {"generate", gpt2_, "--prompt", "a cat", "--max-tokens", "3", "--json"},
                                        {"generate", gpt2_, "--prompt", "a cat", "--max-tokens", "3", "--ids"},
                                        {"score", gpt2_, data_, "--json"},
                                        {"discover", gpt2_, data_, "-o", out, "--json", "--top-edges", "100000"}};
  for (const Arguments& command : commands) {
    SCOPED_TRACE(testing::PrintToString(command));
    const ProgramResult result = run_program(command);  // not quiet: its logs must not reach stdout
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_FALSE(parse_json(result.out, "stdout").is_null());
  }
}

TEST_F(Discover, ThenEvaluateRunsTheCircuit) {
  for (const std::string& model : {gpt2_, llama_}) {
    discover(model, {"--ablation", "mean", "--seed", "3"});
    const ProgramResult result = run_quiet({"evaluate", model, data_, "--circuit", scratch_ / "circuit.json",
                                            "--ablation", "mean", "--redundancy", "3", "--json"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const Json json = parse_json(result.out, "evaluate");
    EXPECT_EQ(json["edges"], 7);
    EXPECT_LE(json["edges_pruned"].get<int64_t>(), 7);
    EXPECT_TRUE(json["full"].is_number() && json["empty"].is_number() && json["circuit"].is_number());
    if (json["faithfulness"].is_null()) continue;  // nine records of a random model may not say
    EXPECT_EQ(json["curve"]["signed"].size(), 10U);
    EXPECT_NEAR(json["curve"]["magnitude"][9]["faithfulness"]["value"].get<double>(), 1, 1e-4);
    EXPECT_EQ(json["minimality_sample"].get<int64_t>(), std::min<int64_t>(3, json["edges_pruned"].get<int64_t>()));
  }
}

// Eight times one record: a random model moves the metric of different ones in different directions.
std::string one_record_eight_times() {
  const std::string records = tiny_records(1, 4);
  std::string text;
  for (int i = 0; i < 8; ++i) text += records;
  return text;
}

TEST_F(Discover, FindsTheSmallestCircuitThatReachesATargetAndEvaluateAgrees) {
  write_file(data_, one_record_eight_times());
  const std::string out = scratch_ / "target.json";
  const Arguments discover{"discover", gpt2_,        data_, "-o",    out, "--ablation", "mean", "--target-faithfulness",
                           "0.8",      "--held-out", data_, "--json"};
  const ProgramResult result = run_quiet(discover);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json target = parse_json(result.out, "discover")["target"];
  const double f = target["faithfulness"].get<double>();
  EXPECT_GE(f, 0.8);
  if (target.contains("below")) {
    EXPECT_LT(target["below"]["faithfulness"].get<double>(), 0.8);
    EXPECT_LT(target["below"]["edges"], target["edges"]);
  }
  const Json meta = read_json(out)["meta"];
  EXPECT_EQ(meta["target_faithfulness"], "0.8");
  EXPECT_EQ(meta["held_out"], data_);
  EXPECT_NEAR(std::stod(meta["faithfulness"].get<std::string>()), f, 1e-5);
  const ProgramResult evaluated = run_quiet(
      {"evaluate", gpt2_, data_, "--ablation", "mean", "--circuit", out, "--redundancy", "0", "--no-curve", "--json"});
  const Json json = parse_json(evaluated.out, "evaluate");
  EXPECT_NEAR(json["faithfulness"].get<double>(), f, 1e-5);
  EXPECT_EQ(json["edges"], target["edges"]);
  EXPECT_EQ(json["edges_pruned"], target["edges_pruned"]);
}

TEST_F(Discover, SaysWhichRecordsAreHeldOutAndScoresTheOthersOnly) {
  write_file(data_, one_record_eight_times() + tiny_records(1, 4));
  const std::string out = scratch_ / "target.json";
  const ProgramResult result = run_program(
      {"discover", gpt2_, data_, "-o", out, "--ablation", "mean", "--threads", "1", "--target-faithfulness", "0.5"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, testing::HasSubstr("scores from the first 5 records"));
  EXPECT_THAT(result.err, testing::HasSubstr("faithfulness on the other 4"));
  EXPECT_EQ(read_json(out)["meta"]["examples"], "5");
  EXPECT_EQ(read_json(out)["meta"]["held_out"], "the second half of " + data_);
}

TEST_F(Discover, RefusesATargetThatMeansNothing) {
  const std::string out = scratch_ / "target.json";
  const auto target = [&](const Arguments& more) {
    Arguments arguments{"discover", gpt2_, data_, "-o", out, "--target-faithfulness", "0.8"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  // Pairs both ways round: what the ablation does to one record it undoes to the next.
  std::string mirrored;
  for (int i = 0; i < 4; ++i) {
    mirrored +=
        "{\"text_ids\": [1, 2, 3], \"counterfactual_ids\": [4, 5, 3], \"readouts\": [{\"correct_id\": 6, "
        "\"wrong_id\": 7}]}\n"
        "{\"text_ids\": [4, 5, 3], \"counterfactual_ids\": [1, 2, 3], \"readouts\": [{\"correct_id\": 6, "
        "\"wrong_id\": 7}]}\n";
  }
  write_file(scratch_ / "mirrored.jsonl", mirrored);
  write_file(data_, one_record_eight_times());
  expect_refused(scratch_, target({"--held-out", scratch_ / "mirrored.jsonl"}), {"--target-faithfulness", "without 0"});
  write_file(data_, tiny_records(1, 4));
  expect_refused(scratch_, target({}), {"data.jsonl", "at least 2"});
  for (const Arguments& wrong : {Arguments{"--selection", "threshold"}, {"--top-edges", "3"}}) {
    EXPECT_EQ(run_quiet(target(wrong)).exit_code, 2) << wrong[0];
  }
  EXPECT_EQ(run_quiet({"discover", gpt2_, data_, "-o", out, "--held-out", data_}).exit_code, 2);
}

// The parts' weighted mean is the score of all examples, whatever the method and the ablation.
TEST_F(Discover, ResamplingChangesNoScore) {
  constexpr double kRounding = 2e-5;       // float32 sums in another order
  write_file(data_, tiny_records(57, 4));  // 50 parts, not all equal
  std::vector<Arguments> ways;
  for (const char* ablation : {"counterfactual", "mean", "zero"}) ways.push_back({"--ablation", ablation});
  for (const char* method : {"eap-ig-inputs", "clean-corrupted"})
    ways.push_back({"--method", method, "--ablation", "mean"});
  for (const Arguments& way : ways) {
    SCOPED_TRACE(testing::PrintToString(way));
    const Json once = discover(gpt2_, way);
    Arguments in_parts = way;
    in_parts.insert(in_parts.end(), {"--resamples", "20"});
    const Json parts = discover(gpt2_, in_parts);
    EXPECT_EQ(parts["meta"]["resamples"], "20");
    EXPECT_EQ(parts["meta"]["examples"], once["meta"]["examples"]);
    double total = 0;
    for (const auto& [name, edge] : once["edges"].items()) {
      EXPECT_NEAR(edge["score"].get<double>(), parts["edges"][name]["score"].get<double>(), kRounding) << name;
      EXPECT_FALSE(edge.contains("stability"));
      total += parts["edges"][name]["stability"].get<double>();
    }
    EXPECT_NEAR(total, 7, 1e-4) << "seven edges are selected in each resample";
  }
}

TEST_F(Discover, KeepsStableEdgesOnly) {
  const Json all = discover(gpt2_, {"--resamples", "40"});
  const Json stable = discover(gpt2_, {"--resamples", "40", "--stable", "0.7"});
  for (const auto& [name, edge] : all["edges"].items()) {
    const bool expected = edge["in_graph"].get<bool>() && edge["stability"].get<double>() >= 0.7;
    EXPECT_EQ(stable["edges"][name]["in_graph"].get<bool>(), expected) << name;
  }
  EXPECT_EQ(stable["meta"]["stable"], "0.7");
  EXPECT_EQ(run_quiet({"discover", gpt2_, data_, "-o", scratch_ / "x", "--stable", "0.7"}).exit_code, 2);
  EXPECT_EQ(
      run_quiet({"discover", gpt2_, data_, "-o", scratch_ / "x", "--resamples", "0", "--stable", "0.7"}).exit_code, 2);
}

TEST_F(Discover, WritesDrawingsAndEvaluateAPage) {
  write_file(data_, one_record_eight_times());
  discover(llama_, {"--svg", scratch_ / "c.svg", "--dot", scratch_ / "c.dot"});
  EXPECT_THAT(read_file(scratch_ / "c.svg"), testing::HasSubstr("</svg>"));
  EXPECT_THAT(read_file(scratch_ / "c.dot"), testing::HasSubstr("digraph"));
  const Arguments evaluate{"evaluate",     llama_, data_,    "--circuit",           scratch_ / "circuit.json",
                           "--redundancy", "0",    "--page", scratch_ / "page.html"};
  const ProgramResult result = run_quiet(evaluate);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(read_file(scratch_ / "page.html"), testing::HasSubstr("of the behaviour"));
  Arguments without = evaluate;
  without.push_back("--no-curve");
  EXPECT_EQ(run_quiet(without).exit_code, 2);
}

TEST_F(Discover, EveryMethodAndSelectorWritesACircuitThatReadsBack) {
  std::vector<Arguments> ways;
  for (const char* method : {"eap", "eap-ig-inputs", "eap-ig-activations", "eap-ig-activations-own", "relp", "gim",
                             "clean-corrupted", "edge-pruning", "exact", "magnitude", "wanda", "random"}) {
    ways.push_back({"--method", method});
  }
  for (const char* selection : {"greedy", "threshold", "top-edges-weighted", "param-budget", "top-nodes", "random"}) {
    ways.push_back({"--selection", selection});
  }
  for (const Arguments& way : ways) {
    discover(gpt2_, way);
    EXPECT_EQ(
        run_quiet({"evaluate", gpt2_, data_, "--circuit", scratch_ / "circuit.json", "--no-curve", "--redundancy", "0"})
            .exit_code,
        0)
        << testing::PrintToString(way);
  }
}

TEST_F(Discover, NegateReadsScoresOfTheOtherSign) {
  write_file(data_, one_record_eight_times());
  Json file = discover(gpt2_, {});
  const std::string path = scratch_ / "circuit.json";
  const Arguments evaluate{"evaluate", gpt2_, data_, "--circuit", path, "--redundancy", "0", "--json"};
  const std::string expected = run_quiet(evaluate).out;
  for (auto& edge : file["edges"]) edge["score"] = -edge["score"].get<double>();
  write_file(path, file.dump());
  EXPECT_NE(run_quiet(evaluate).out, expected);
  Arguments negated = evaluate;
  negated.emplace_back("--negate");
  EXPECT_EQ(run_quiet(negated).out, expected);
}

TEST_F(Discover, EvaluateRefusesACircuitThatIsNotOfTheModel) {
  discover(gpt2_, {});
  const Arguments evaluate{"evaluate", llama_, data_, "--circuit", scratch_ / "circuit.json"};
  expect_refused(scratch_, evaluate, {"circuit.json"});
  const std::string text = read_file(scratch_ / "circuit.json");
  write_file(scratch_ / "circuit.json", text.substr(0, text.size() / 2));
  expect_refused(scratch_, {"evaluate", gpt2_, data_, "--circuit", scratch_ / "circuit.json"}, {"circuit.json"});
}

}  // namespace
}  // namespace circuit
