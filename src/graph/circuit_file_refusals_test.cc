// Circuit files that are cut, spoilt or another model's.
#include "graph/testing.h"

namespace circuit {
namespace {

using testing::HasSubstr;

TEST_F(CircuitFiles, OfAnotherModelAreRefusedWithBothValues) {
  const Graph graph(shape(2, 4, 2), KeyValueNodes::kGrouped);
  const auto at = [&](const Architecture& a, KeyValueNodes form, const std::string& name) {
    const Graph other(a, form);
    return refusal(write(a, other, sample(other), name), graph);
  };
  for (const char* name : {"a.json", "a.safetensors"}) {
    EXPECT_THAT(at(shape(3, 4, 2), KeyValueNodes::kGrouped, name), HasSubstr("n_layers: found 3, expected 2"));
    EXPECT_THAT(at(shape(2, 2, 2), KeyValueNodes::kGrouped, name), HasSubstr("n_heads: found 2, expected 4"));
    EXPECT_THAT(at(shape(2, 4, 1), KeyValueNodes::kGrouped, name), HasSubstr("n_kv_heads: found 1, expected 2"));
    Architecture parallel = shape(2, 4, 2);
    parallel.every_layer().set_parallel(true);
    EXPECT_THAT(at(parallel, KeyValueNodes::kGrouped, name), HasSubstr("parallel_attn_mlp: found true"));
  }
  EXPECT_THAT(at(shape(2, 4, 1), KeyValueNodes::kUngrouped, "a.json"), HasSubstr("n_kv_heads: found 1, expected 2"));
}

TEST_F(CircuitFiles, OfGroupedReadersCannotBeSplit) {
  const Architecture a = shape(2, 4, 2);
  const Graph grouped(a, KeyValueNodes::kGrouped);
  const Graph ungrouped(a, KeyValueNodes::kUngrouped);
  for (const char* name : {"a.json", "a.safetensors"}) {
    EXPECT_THAT(refusal(write(a, grouped, sample(grouped), name), ungrouped), HasSubstr("with ungrouped"));
  }
}

TEST_F(CircuitFiles, SpoiltEdgesAreNamed) {
  const auto spoilt = [&](const std::function<void(Json&)>& change) {
    Json json = valid();
    change(json["edges"]);
    return refusal(json);
  };
  const std::string name = "input->a0.h1<k>";
  EXPECT_THAT(spoilt([](Json& edges) {
                edges["a7.h0->logits"] = {{"score", 1}, {"in_graph", true}};
              }),
              testing::AllOf(HasSubstr("a7.h0->logits"), HasSubstr("not an edge")));
  const std::vector<std::pair<std::function<void(Json&)>, std::string>> changes{
      {[&](Json& edges) { edges.erase(name); }, "missing: found 12 edges, expected all 13"},
      {[&](Json& edges) { edges[name] = 0.5; }, "found a number, expected an object"},
      {[&](Json& edges) { edges[name].erase("score"); }, "key 'score' is missing"},
      {[&](Json& edges) { edges[name]["score"] = nullptr; }, "score: found a null"},
      {[&](Json& edges) { edges[name]["score"] = "0.5"; }, "score: found a string"},
      {[&](Json& edges) { edges[name]["score"] = 1e39; }, "float32"},
      {[&](Json& edges) { edges[name].erase("in_graph"); }, "key 'in_graph' is missing"},
      {[&](Json& edges) { edges[name]["in_graph"] = 1; }, "in_graph: found a number"},
  };
  for (const auto& [change, message] : changes) {
    EXPECT_THAT(spoilt(change), testing::AllOf(HasSubstr(name), HasSubstr(message)));
  }
}

// Python's json writes these words; tools of the MIB track mark edges outside a circuit with -inf.
TEST_F(CircuitFiles, ScoresThatAreNoNumbersAreRefusedByTheEdge) {
  const std::string name = "input->a0.h1<k>";
  for (const std::string word : {"NaN", "Infinity", "-Infinity", "1e999"}) {
    Json json = valid();
    json["edges"][name]["score"] = 123456;
    std::string text = json.dump();
    text.replace(text.find("123456"), 6, word);
    try {
      parse_circuit_json(text, "c.json");
      FAIL() << word;
    } catch (const Error& error) {
      const std::string shown = word == "1e999" ? "Infinity" : word;
      EXPECT_THAT(error.what(), HasSubstr("edge '" + name + "': found score " + shown + ", expected a number"));
    }
  }
}

TEST_F(CircuitFiles, SpoiltStabilityIsNamed) {
  const std::string name = "input->a0.h1<k>";
  Json json = valid();
  for (Json& edge : json["edges"]) edge["stability"] = 0.5;
  EXPECT_EQ(refusal(json), "accepted");
  const std::vector<std::pair<std::function<void(Json&)>, std::string>> changes{
      {[](Json& edge) { edge.erase("stability"); }, "stability is missing"},
      {[](Json& edge) { edge["stability"] = "all"; }, "stability: found a string"},
      {[](Json& edge) { edge["stability"] = 1.5; }, "found stability 1.5, expected a share"},
      {[](Json& edge) { edge["stability"] = -0.1; }, "found stability -0.1"}};
  for (const auto& [change, message] : changes) {
    Json spoilt = json;
    change(spoilt["edges"][name]);
    EXPECT_THAT(refusal(spoilt), testing::AllOf(HasSubstr(name), HasSubstr(message)));
  }
  const Graph graph(shape(1, 2, 2), KeyValueNodes::kGrouped);
  CircuitFile file = sample(graph);
  file.stability.assign(graph.n_edges(), 0.5F);
  file.stability[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(refusal(write(shape(1, 2, 2), graph, file, "nan.safetensors")), HasSubstr(graph.edge_name(3)));
}

TEST_F(CircuitFiles, StabilityOfHeadsIsNotThatOfTheirGroup) {
  const Architecture a = shape(1, 4, 2);
  const Graph ungrouped(a, KeyValueNodes::kUngrouped);
  CircuitFile file = sample(ungrouped);
  file.stability.assign(ungrouped.n_edges(), 1);
  const std::string to = write(a, ungrouped, file, "a.json");
  EXPECT_TRUE(read_circuit(to, Graph(a, KeyValueNodes::kGrouped)).stability.empty());
  EXPECT_FALSE(read_circuit(to, ungrouped).stability.empty());
}

TEST_F(CircuitFiles, SpoiltKeysAreNamed) {
  const std::vector<std::pair<std::function<void(Json&)>, std::string>> changes{
      {[](Json& json) { json.erase("cfg"); }, "'cfg' is missing"},
      {[](Json& json) { json.erase("nodes"); }, "'nodes' is missing"},
      {[](Json& json) { json["edges"] = Json::array(); }, "edges: found a array, expected an object"},
      {[](Json& json) { json["cfg"]["mlp_blocks"] = 0; }, "mlp_blocks: found 0"},
      {[](Json& json) { json["cfg"]["mlp_blocks"] = std::numeric_limits<int64_t>::max(); }, "layers of 2 heads"},
      {[](Json& json) {
         json["edges"] = Json::object();
         json["nodes"].erase("m0");
       },
       "4 nodes of the file"},
      {[](Json& json) { json["cfg"].erase("n_layers"); }, "'n_layers' is missing"},
      {[](Json& json) { json["cfg"]["n_layers"] = "1"; }, "n_layers: found a string"},
      {[](Json& json) { json["cfg"]["n_heads"] = 0; }, "n_heads: found 0"},
      {[](Json& json) { json["cfg"]["n_kv_heads"] = 3; }, "n_kv_heads: found 3, expected a divisor of the 2"},
      {[](Json& json) { json["cfg"]["parallel_attn_mlp"] = 0; }, "parallel_attn_mlp: found a number"},
      {[](Json& json) { json["cfg"]["parallel_attn_mlp"] = true; }, "'a0.h0->m0'"},
      {[](Json& json) { json["cfg"]["n_layers"] = 2; }, "2 layers"},
      {[](Json& json) { json["cfg"]["n_layers"] = std::numeric_limits<int64_t>::max(); }, "layers of 2 heads"},
      {[](Json& json) { json["cfg"]["n_heads"] = std::numeric_limits<int64_t>::max(); }, "n_kv_heads"},
      {[](Json& json) { json["nodes"]["a4.h0"] = true; }, "'a4.h0'"},
      {[](Json& json) { json["meta"] = 3; }, "meta: found a number"},
  };
  for (const auto& [change, message] : changes) {
    Json json = valid();
    change(json);
    EXPECT_THAT(refusal(json), HasSubstr(message));
  }
}

TEST_F(CircuitFiles, OfNodesAloneHaveEveryEdgeAmongThem) {
  Json json = valid();
  json["edges"] = Json::object();
  for (auto& [name, node] : json["nodes"].items())
    node = {{"in_graph", name == "input" || name == "a0.h1" || name == "logits"}};
  write_file(path("nodes.json"), json.dump());
  const CircuitFile file = read_circuit(path("nodes.json"));
  const Graph graph = file.shape.graph();
  std::vector<std::string> edges;
  for (const int64_t id : file.circuit.edges) edges.push_back(graph.edge_name(id));
  EXPECT_THAT(edges, testing::ElementsAre("input->a0.h1<q>", "input->a0.h1<k>", "input->a0.h1<v>", "input->logits",
                                          "a0.h1->logits"));
}

TEST_F(CircuitFiles, OfBlocksGoWithAModelThatCanBeSplitSo) {
  const Graph graph(shape(2, 4, 2), KeyValueNodes::kGrouped, 5);
  const std::string file = write(shape(2, 4, 2), graph, sample(graph), "a.json");
  const CircuitFile read = read_circuit(file);
  EXPECT_EQ(read.shape.graph_of(shape(2, 4, 2), file).mlp_block(0), 5);
  Architecture other = shape(2, 4, 2);
  other.d_mlp = 16;
  EXPECT_THROW(read.shape.graph_of(other, file), Error);
  // A whole MLP is another node than its blocks.
  EXPECT_THAT(refusal(file, Graph(shape(2, 4, 2), KeyValueNodes::kGrouped)),
              HasSubstr("MLP blocks: found 3, expected 1"));
}

TEST_F(CircuitFiles, WithAKeyTwiceAreRefused) {
  const std::string good = valid().dump();
  const auto doubled = [&](const std::string& part) {
    std::string text = good;
    const size_t at = text.find(part);
    EXPECT_NE(at, std::string::npos) << part;
    text.insert(at, part + ",");
    write_file(path("spoilt.json"), text);
    return refusal(path("spoilt.json"));
  };
  EXPECT_THAT(doubled(R"("n_layers":1)"), HasSubstr("'n_layers' appears twice"));
  EXPECT_THAT(doubled(R"("in_graph":false)"), HasSubstr("'in_graph' appears twice"));
  EXPECT_THAT(doubled(R"("a0.h0->m0":)" + valid()["edges"]["a0.h0->m0"].dump()),
              HasSubstr("'a0.h0->m0' appears twice"));
  EXPECT_THAT(doubled(R"("edges":)" + valid()["edges"].dump()), HasSubstr("'edges' appears twice"));
}

TEST_F(CircuitFiles, OfAnotherKindOfJsonAreRefused) {
  const auto of = [&](const std::string& text) {
    write_file(path("spoilt.json"), text);
    return refusal(path("spoilt.json"));
  };
  EXPECT_THAT(of("[1]"), HasSubstr("found a JSON array, expected an object"));
  EXPECT_THAT(of("3"), HasSubstr("found a JSON number, expected an object"));
  EXPECT_THAT(of("{}"), HasSubstr("'cfg' is missing"));
  EXPECT_THAT(of("{\n \"cfg\": nan}"), HasSubstr("line 2, column"));
  EXPECT_THAT(of(R"({"edges": 3})"), HasSubstr("edges: found a number"));
  constexpr size_t kDeep = 100000;
  EXPECT_THAT(of(R"({"x": )" + std::string(kDeep, '[')), HasSubstr("nested deeper"));
  EXPECT_THAT(of(R"({"edges": {"a": {"x": )" + std::string(kDeep, '[')), HasSubstr("nested deeper"));
}

// Keys of an edge that are not ours are passed over, whatever they hold.
TEST_F(CircuitFiles, MayHoldMoreAboutAnEdge) {
  Json json = valid();
  json["edges"]["a0.h0->m0"]["more"] = {{"score", "x"}, {"list", {1, {{"in_graph", 3}}, 2}}};
  json["more"] = {{"edges", {1, 2}}};
  EXPECT_EQ(refusal(json), "accepted");
}

TEST_F(CircuitFiles, CutAnywhereAreRefused) {
  const Graph graph(shape(1, 2, 2), KeyValueNodes::kGrouped);
  for (const char* name : {"a.json", "a.safetensors"}) {
    const std::string whole = read_file(write(shape(1, 2, 2), graph, sample(graph), name));
    // The JSON's last byte is a line end.
    for (size_t bytes = 0; bytes + 1 < whole.size(); ++bytes) {
      // Not write_file, and no truncation: what they flush would make this the slowest test.
      fs::remove(path("cut"));
      std::ofstream(path("cut"), std::ios::binary | std::ios::trunc) << whole.substr(0, bytes);
      ASSERT_NE(refusal(path("cut")), "accepted") << name << " cut at " << bytes;
    }
  }
}

TEST_F(CircuitFiles, SpoiltCompactFilesAreRefusedWithTheName) {
  const Graph graph(shape(1, 2, 2), KeyValueNodes::kGrouped);
  CircuitFile file = sample(graph);
  const std::string good = read_file(write(shape(1, 2, 2), graph, file, "a.safetensors"));
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string bytes = good;
    bytes.replace(bytes.find(from), from.size(), to);
    write_file(path("spoilt"), bytes);
    return refusal(path("spoilt"));
  };
  EXPECT_THAT(replaced("a0.h1<v>", "a0.h9<v>"), HasSubstr("name 5: found 'a0.h9<v>', expected 'a0.h1<v>'"));
  EXPECT_THAT(replaced("\"scores\"", "\"scared\""), HasSubstr("tensor 'scores' is missing"));
  EXPECT_THAT(replaced("upstream_nodes", "upstream_mules"), HasSubstr("upstream_nodes"));
  std::string member = good;
  member.back() = 2;  // the last edge's
  write_file(path("spoilt"), member);
  EXPECT_THAT(refusal(path("spoilt")), testing::AllOf(HasSubstr("m0->logits"), HasSubstr("found membership 2")));
  file.scores.values[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(refusal(write(shape(1, 2, 2), graph, file, "nan.safetensors")), HasSubstr(graph.edge_name(3)));
}

TEST_F(CircuitFiles, OfTooFewCompactScoresAreRefused) {
  const std::vector<float> scores(3);
  const std::vector<uint8_t> members(3);
  const std::map<std::string, std::string> metadata{
      {"upstream_nodes", R"(["input","a0.h0","m0"])"},
      {"downstream_nodes", R"(["a0.h0<q>","a0.h0<k>","a0.h0<v>","m0","logits"])"}};
  write_safetensors(path("few"), {{"scores", "F32", {3}, scores.data()}, {"circuit", "U8", {3}, members.data()}},
                    metadata);
  EXPECT_THAT(refusal(path("few")), HasSubstr("found 3 scores, expected 8, or 7 with parallel blocks"));
}

class Published : public testing::TestWithParam<const char*> {};

TEST_P(Published, LoadsWithoutAModel) {
  const fs::path folder = fs::path(CIRCUIT_SOURCE_DIR) / "../shared/data/circuits/mib-gpt2";
  if (!fs::exists(folder)) GTEST_SKIP() << "../shared is absent";
  const std::string file = (folder / GetParam()).string();
  const CircuitFile read = read_circuit(file);
  EXPECT_EQ(read.shape.architecture.n_layers, 12);
  EXPECT_EQ(read.shape.architecture.n_heads, 12);
  const Graph graph(read.shape.architecture, read.shape.key_values);
  ASSERT_EQ(graph.n_edges(), 32491);
  std::map<std::string, int64_t> ids;
  for (int64_t id = 0; id < graph.n_edges(); ++id) ids[graph.edge_name(id)] = id;
  // Not read_json: its check for keys that come twice takes time quadratic in the number of edges.
  const Json edges = Json::parse(read_file(file)).at("edges");
  size_t inside = 0;
  for (const auto& [name, edge] : edges.items()) {
    ASSERT_EQ(ids.count(name), 1u) << name;
    const int64_t id = ids.at(name);
    ASSERT_EQ(read.scores.values[id], edge.at("score").get<float>()) << name;
    if (!edge.at("in_graph").get<bool>()) continue;
    ++inside;
    ASSERT_TRUE(std::binary_search(read.circuit.edges.begin(), read.circuit.edges.end(), id)) << name;
  }
  EXPECT_EQ(inside, read.circuit.edges.size());
}

INSTANTIATE_TEST_SUITE_P(Files, Published,
                         testing::Values("ioi-eap-ig.json", "greater-than_prob_diff_real.json",
                                         "greater-than_prob_diff_vanilla.json"));

}  // namespace
}  // namespace circuit
