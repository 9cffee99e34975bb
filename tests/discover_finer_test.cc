// What is finer than an edge between whole heads and MLPs, through the program: MLP blocks, spans, channels, nodes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <regex>
#include <set>

#include "tests/finer.h"

namespace circuit {
namespace {

constexpr double kWhole = 1e-4;  // all edges run as a circuit are the model: rounding of two forwards

// "m1.b3" → "m1".
std::string without_block(const std::string& name) {
  return std::regex_replace(name, std::regex(R"((m\d+)\.b\d+)"), "$1");
}

std::string source_of(const std::string& edge) { return edge.substr(0, edge.find("->")); }
std::string reader_of(const std::string& edge) { return edge.substr(edge.find("->") + 2); }
std::string node_read(const std::string& edge) {
  const std::string reader = reader_of(edge);
  return reader.substr(0, reader.find('<'));
}

// MLP blocks

struct BlockGraph {
  std::string family;
  int64_t heads, kv;
  bool parallel = false;
};
void PrintTo(const BlockGraph& graph, std::ostream* out) { *out << graph.family; }

int64_t edges_with_blocks(const BlockGraph& graph, int64_t layers) {
  int64_t edges = 0;
  for (int64_t l = 0; l < layers; ++l) {
    const int64_t before = 1 + l * (graph.heads + kBlocks);
    edges += (graph.heads + 2 * graph.kv) * before + kBlocks * (before + (graph.parallel ? 0 : graph.heads));
  }
  return edges + 1 + layers * (graph.heads + kBlocks);
}

class MlpBlocks : public Finer, public testing::WithParamInterface<BlockGraph> {};

TEST_P(MlpBlocks, AreNodesAndAllEdgesOfThemAreTheModel) {
  write_file(data_, the_same_record_eight_times());
  const std::string model = tiny_model(GetParam().family);
  const Json file = discover(model, {"--mlp-block", std::to_string(kBlock), "--top-edges", "100000"});
  EXPECT_EQ(file["cfg"]["mlp_blocks"], kBlocks);
  EXPECT_EQ(static_cast<int64_t>(file["edges"].size()), edges_with_blocks(GetParam(), 2));
  EXPECT_TRUE(file["nodes"].contains("m1.b3"));
  EXPECT_FALSE(file["nodes"].contains("m1") || file["nodes"].contains("m1.b4"));

  // Every edge in: also those whose score is zero.
  Json all = file;
  for (auto& edge : all["edges"]) edge["in_graph"] = true;
  write_file(out_, all.dump());
  const Json json = evaluate(model, out_);
  EXPECT_EQ(json["graph_edges"], file["edges"].size());
  EXPECT_NEAR(json["circuit"].get<double>(), json["full"].get<double>(), kWhole);
  ASSERT_TRUE(json["faithfulness"].is_number());
  EXPECT_NEAR(json["faithfulness"].get<double>(), 1, kWhole);
}

TEST_P(MlpBlocks, CompactFilesReadBackAsTheSameCircuit) {
  const std::string model = tiny_model(GetParam().family);
  const Arguments blocks{"--mlp-block", std::to_string(kBlock), "--top-edges", "60"};
  discover(model, blocks);
  const Json of_json = evaluate(model, out_);
  Arguments compact = blocks;
  compact.insert(compact.end(), {"--compact"});
  ASSERT_EQ(run_quiet(command(model, compact)).exit_code, 0);
  EXPECT_EQ(evaluate(model, out_), of_json);
}

INSTANTIATE_TEST_SUITE_P(Families, MlpBlocks,
                         testing::Values(BlockGraph{"gpt2", 3, 3}, BlockGraph{"opt", 3, 3},
                                         BlockGraph{"gpt_neox", 3, 3, true}, BlockGraph{"llama", 4, 2},
                                         BlockGraph{"gemma2", 4, 2}, BlockGraph{"gemma3_text", 4, 2}),
                         [](const auto& each) { return each.param.family; });

// A block reads with its columns and writes with its rows: of a method that is linear in both, sums are the
// MLP's.
TEST_F(Finer, ScoresOfBlocksAddUpToTheMlps) {
  for (const char* method : {"eap", "eap-ig-inputs", "eap-ig-activations", "eap-ig-activations-own", "relp", "gim"}) {
    SCOPED_TRACE(method);
    const Json whole = discover(llama_, {"--method", method})["edges"];
    const Json blocks = discover(llama_, {"--method", method, "--mlp-block", std::to_string(kBlock)})["edges"];
    std::map<std::string, double> sums;
    for (const auto& [name, edge] : blocks.items()) sums[without_block(name)] += edge["score"].get<double>();
    ASSERT_EQ(sums.size(), whole.size());
    for (const auto& [name, edge] : whole.items()) {
      EXPECT_NEAR(sums[name], edge["score"].get<double>(), kRounding) << name;
    }
  }
}

TEST_F(Finer, BlocksThatDoNotDivideAreRefused) {
  refuses({"--mlp-block", "3"}, {"3", "20"}, kWrongUse);
  Json file = discover(gpt2_, {});
  EXPECT_FALSE(file["cfg"].contains("mlp_blocks"));
  file["cfg"]["mlp_blocks"] = 3;
  file["edges"] = Json::object();
  for (const char* layer : {"m0", "m1"}) {
    file["nodes"].erase(layer);
    for (int j = 0; j < 3; ++j) file["nodes"][layer + (".b" + std::to_string(j))] = true;
  }
  write_file(out_, file.dump());
  expect_refused(scratch_, {"evaluate", gpt2_, data_, "--circuit", out_}, {"circuit.json", "3 MLP blocks", "20"});
}

// Spans

TEST_F(Finer, SpanScoresAddUpToTheEdgesAndLookBackwardsOnly) {
  write_file(data_, with_spans(tiny_records(9, 4), {{"first", {0, 1}}, {"last", {2, 3}}}));
  const std::string spans = scratch_ / "spans.safetensors";
  const std::vector<Arguments> ways{{},
                                    {"--method", "relp"},
                                    {"--method", "eap-ig-inputs"},
                                    {"--method", "eap-ig-activations-own", "--mlp-block", "5"},
                                    {"--ablation", "mean", "--ungrouped"}};
  for (const Arguments& way : ways) {
    SCOPED_TRACE(testing::PrintToString(way));
    Arguments arguments = way;
    arguments.insert(arguments.end(), {"--spans", spans});
    const Json edges = discover(llama_, arguments)["edges"];
    const Floats scores = read_floats(spans, "span_scores");
    EXPECT_EQ(scores.metadata.at("spans"), R"(["first","last","rest"])");
    const Json names = parse_json(scores.metadata.at("edges"), "edges");
    ASSERT_EQ(scores.shape, (std::vector<int64_t>{static_cast<int64_t>(edges.size()), 3, 3}));
    ASSERT_EQ(names.size(), edges.size());
    int64_t across = 0;
    for (size_t id = 0; id < names.size(); ++id) {
      const auto name = names[id].get<std::string>();
      const bool shared = name.find("<k>") != std::string::npos || name.find("<v>") != std::string::npos;
      double sum = 0;
      for (size_t where = 0; where < 3; ++where) {
        for (size_t whom = 0; whom < 3; ++whom) {
          const float score = scores.values[(id * 3 + where) * 3 + whom];
          sum += score;
          // Queries, MLPs and logits are read where they write; no key is read for an earlier query.
          const bool possible = where == whom || (where < whom && shared);
          EXPECT_TRUE(possible || score == 0) << name << where << whom;
          across += where < whom && score != 0;
        }
      }
      EXPECT_NEAR(sum, edges[name]["score"].get<double>(), kRounding) << name;
    }
    EXPECT_GT(across, 0) << "no key or value is read for another span";
  }
}

TEST_F(Finer, SpansThatCannotBeScoredAreRefused) {
  const std::string spans = scratch_ / "spans.safetensors";
  refuses({"--spans", spans}, {"data.jsonl", "spans"});
  write_file(data_, with_spans(tiny_records(9, 4), {{"first", {0, 1}}}));
  for (const char* method : {"exact", "magnitude", "wanda", "random"})
    refuses({"--spans", spans, "--method", method}, {"--spans", method}, kWrongUse);
  EXPECT_EQ(run_quiet(command(gpt2_, {"--spans", spans, "--resamples", "5"})).exit_code, kWrongUse);
}

// Channels and nodes

TEST_F(Finer, ChannelsOfABlockAddUpToItsNode) {
  const std::string channels = scratch_ / "channels.safetensors";
  for (const char* family : {"gpt2", "llama", "gemma3_text"}) {
    const std::string model = tiny_model(family);
    for (const auto& [ablation, positions] : {std::pair("counterfactual", "all"), {"mean", "readout"}}) {
      SCOPED_TRACE(testing::Message() << family << " " << ablation);
      const Json nodes = discover(model, {"--channels", channels, "--ablation", ablation, "--positions", positions,
                                          "--mlp-block", std::to_string(kBlock)})["nodes"];
      const Floats scores = read_floats(channels, "channel_scores");
      ASSERT_EQ(scores.shape, (std::vector<int64_t>{2, kBlock * kBlocks}));
      for (int64_t b = 0; b < 2 * kBlocks; ++b) {
        double sum = 0;
        for (int64_t c = 0; c < kBlock; ++c) sum += scores.values[b * kBlock + c];
        const std::string name = "m" + std::to_string(b / kBlocks) + ".b" + std::to_string(b % kBlocks);
        EXPECT_NEAR(sum, nodes[name]["score"].get<double>(), kRounding) << name;
      }
    }
  }
}

TEST_F(Finer, ANodesScoreIsTheSumOfItsOutgoingEdges) {
  const Json file = discover(llama_, {"--top-edges", "5"});
  std::map<std::string, double> sums;
  for (const auto& [name, edge] : file["edges"].items()) sums[source_of(name)] += edge["score"].get<double>();
  for (const auto& [name, node] : file["nodes"].items()) {
    if (name == "logits") {
      EXPECT_FALSE(node.contains("score"));
    } else {
      EXPECT_NEAR(node["score"].get<double>(), sums.at(name), kRounding) << name;
    }
  }
}

TEST_F(Finer, TopNodesTakesTheStrongestWithAllEdgesAmongThem) {
  for (const Arguments& way : {Arguments{"--top-nodes", "4"}, {"--selection", "top-nodes", "--top-edges", "4"}}) {
    const Json file = discover(gpt2_, way);
    std::vector<std::pair<double, std::string>> strength;
    for (const auto& [name, node] : file["nodes"].items()) {
      if (name != "logits") strength.emplace_back(-std::fabs(node["score"].get<double>()), name);
    }
    std::sort(strength.begin(), strength.end());
    std::set<std::string> chosen{"logits"};
    for (size_t i = 0; i < 4; ++i) chosen.insert(strength[i].second);
    for (const auto& [name, node] : file["nodes"].items()) EXPECT_EQ(node["in_graph"], chosen.count(name) > 0) << name;
    for (const auto& [name, edge] : file["edges"].items()) {
      EXPECT_EQ(edge["in_graph"], chosen.count(source_of(name)) > 0 && chosen.count(node_read(name)) > 0) << name;
    }
  }
  for (const Arguments& other : {Arguments{"--top-edges", "3"}, {"--target-faithfulness", "0.5"}}) {
    Arguments both{"--top-nodes", "4"};
    both.insert(both.end(), other.begin(), other.end());
    EXPECT_EQ(run_quiet(command(gpt2_, both)).exit_code, kWrongUse) << other[0];
  }
}

// A file without edges is read with a reader per query head: heads that share keys are in or out one by one.
TEST_F(Finer, AFileOfNodesRunsAllEdgesAmongThem) {
  for (const std::string& model : {gpt2_, llama_}) {
    Json file = discover(model, {"--top-nodes", "4", "--ungrouped"});
    const Json of_edges = evaluate(model, out_);
    EXPECT_GT(of_edges["edges"], 4);
    file["edges"] = Json::object();
    write_file(out_, file.dump());
    EXPECT_EQ(evaluate(model, out_), of_edges);
    // As EAP-IG writes nodes, too.
    for (auto& node : file["nodes"]) node = Json(node["in_graph"]);
    write_file(out_, file.dump());
    EXPECT_EQ(evaluate(model, out_), of_edges);
  }
}

TEST_F(Finer, AFileThatLeavesOutNeuronsIsReadWithAWarning) {
  Json file = discover(gpt2_, {"--top-nodes", "4"});
  const Json expected = evaluate(gpt2_, out_);
  file["nodes"]["m0"]["neurons"] = {true, false, true};
  write_file(out_, file.dump());
  const ProgramResult result =
      run_quiet({"evaluate", gpt2_, data_, "--circuit", out_, "--redundancy", "0", "--no-curve", "--json"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, testing::AllOf(testing::HasSubstr("m0"), testing::HasSubstr("1 of its 3 neurons")));
  EXPECT_EQ(parse_json(result.out, "evaluate"), expected);
}

TEST_F(Finer, AFileOfNodesMustListThemAll) {
  Json file = discover(gpt2_, {"--top-nodes", "4"});
  file["edges"] = Json::object();
  file["nodes"].erase("m0");
  write_file(out_, file.dump());
  expect_refused(scratch_, {"evaluate", gpt2_, data_, "--circuit", out_}, {"circuit.json", "nodes"});
}

}  // namespace
}  // namespace circuit
