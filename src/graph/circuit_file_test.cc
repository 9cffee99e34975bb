#include "graph/testing.h"

namespace circuit {
namespace {

using testing::HasSubstr;

struct Form {
  Architecture architecture;
  KeyValueNodes key_values;
  std::string file;
  int64_t mlp_block = 0;
};

void PrintTo(const Form& form, std::ostream* out) {
  const Architecture& a = form.architecture;
  *out << form.file << ", " << a.n_heads << " heads, " << a.n_kv_heads << " key/value heads"
       << (form.key_values == KeyValueNodes::kUngrouped ? ", ungrouped" : "")
       << (a.layer(0).parallel() ? ", parallel" : "") << (form.mlp_block > 0 ? ", blocks" : "");
}

class RoundTrip : public CircuitFiles, public testing::WithParamInterface<Form> {};

TEST_P(RoundTrip, GivesTheSameScoresCircuitAndMeta) {
  const Form& form = GetParam();
  const Graph graph(form.architecture, form.key_values, form.mlp_block);
  const CircuitFile written = sample(graph);
  const std::string file = write(form.architecture, graph, written, form.file);
  const CircuitFile read = read_circuit(file, graph);
  EXPECT_EQ(read.scores.values, written.scores.values);
  EXPECT_EQ(read.circuit.edges, written.circuit.edges);
  EXPECT_EQ(read.meta, (std::map<std::string, std::string>{{"method", "eap"}, {"examples", "12"}}));
}

TEST_P(RoundTrip, NeedsNoModel) {
  const Form& form = GetParam();
  const Graph graph(form.architecture, form.key_values, form.mlp_block);
  const CircuitFile written = sample(graph);
  const CircuitFile read = read_circuit(write(form.architecture, graph, written, form.file));
  const Graph own = read.shape.graph();
  ASSERT_EQ(own.n_edges(), graph.n_edges());
  EXPECT_EQ(own.n_layers(), graph.n_layers());
  EXPECT_EQ(own.n_heads(), graph.n_heads());
  EXPECT_EQ(own.parallel(), graph.parallel());
  for (int64_t id = 0; id < graph.n_edges(); ++id) ASSERT_EQ(own.edge_name(id), graph.edge_name(id));
  EXPECT_EQ(read.scores.values, written.scores.values);
  EXPECT_EQ(read.circuit.edges, written.circuit.edges);
}

TEST_P(RoundTrip, KeepsStabilityWhereItWasMeasured) {
  const Form& form = GetParam();
  const Graph graph(form.architecture, form.key_values, form.mlp_block);
  CircuitFile written = sample(graph);
  EXPECT_TRUE(read_circuit(write(form.architecture, graph, written, form.file)).stability.empty());
  for (int64_t id = 0; id < graph.n_edges(); ++id) {
    written.stability.push_back(static_cast<float>(id) / static_cast<float>(graph.n_edges()));
  }
  const CircuitFile read = read_circuit(write(form.architecture, graph, written, form.file));
  EXPECT_EQ(read.stability, written.stability);
  EXPECT_EQ(read.scores.values, written.scores.values);
  EXPECT_EQ(read.circuit.edges, written.circuit.edges);
}

INSTANTIATE_TEST_SUITE_P(Forms, RoundTrip,
                         testing::Values(Form{shape(2, 3, 3), KeyValueNodes::kGrouped, "a.json"},
                                         Form{shape(2, 3, 3), KeyValueNodes::kGrouped, "a.safetensors"},
                                         Form{shape(2, 4, 2), KeyValueNodes::kGrouped, "a.json"},
                                         Form{shape(2, 4, 2), KeyValueNodes::kGrouped, "a.safetensors"},
                                         Form{shape(2, 4, 2), KeyValueNodes::kUngrouped, "a.json"},
                                         Form{shape(2, 4, 2), KeyValueNodes::kUngrouped, "a.safetensors"},
                                         Form{shape(1, 4, 1), KeyValueNodes::kGrouped, "a.safetensors"},
                                         Form{parallel_shape(), KeyValueNodes::kGrouped, "a.json"},
                                         Form{parallel_shape(), KeyValueNodes::kGrouped, "a.safetensors"},
                                         Form{shape(2, 4, 2), KeyValueNodes::kUngrouped, "a.json", 5},
                                         Form{shape(2, 4, 2), KeyValueNodes::kGrouped, "a.safetensors", 3},
                                         Form{parallel_shape(), KeyValueNodes::kGrouped, "a.safetensors", 1},
                                         Form{experts_shape(2, {}), KeyValueNodes::kGrouped, "a.json"},
                                         Form{experts_shape(2, {}), KeyValueNodes::kGrouped, "a.safetensors"},
                                         Form{experts_shape(3, {0, 2}), KeyValueNodes::kUngrouped, "a.json"},
                                         Form{experts_shape(3, {0, 2}), KeyValueNodes::kGrouped, "a.safetensors"}));

TEST_F(CircuitFiles, OfDenseLayersThatTheModelHasNotAreRefused) {
  const Architecture a = experts_shape(3, {0});
  const Graph graph(a, KeyValueNodes::kGrouped);
  const std::string file = write(a, graph, sample(graph), "a.json");
  const Graph other(experts_shape(3, {1}), KeyValueNodes::kGrouped);
  EXPECT_THROW(read_circuit(file, other), Error);
  EXPECT_NO_THROW(read_circuit(file, graph));
  Json json = read_json(file);
  for (const Json& wrong : {Json(3), Json({0, 0}), Json({3}), Json({-1}), Json({0, 1, 2}), Json({"0"})}) {
    json["cfg"]["dense_layers"] = wrong;
    EXPECT_THAT(refusal(json), HasSubstr("dense_layers")) << wrong.dump();
  }
}

class Import : public CircuitFiles, public testing::WithParamInterface<const char*> {};

// By names, so that the reference shares nothing with the reader's arithmetic of ids.
TEST_P(Import, OfAnUngroupedFileSumsScoresAndOrsMembership) {
  const Architecture a = shape(2, 6, 3);
  const Graph ungrouped(a, KeyValueNodes::kUngrouped);
  const Graph grouped(a, KeyValueNodes::kGrouped);
  const CircuitFile written = sample(ungrouped);
  const CircuitFile read = read_circuit(write(a, ungrouped, written, GetParam()), grouped);
  std::map<std::string, double> sums;
  std::map<std::string, bool> inside;
  for (int64_t id = 0; id < ungrouped.n_edges(); ++id) {
    std::string name = ungrouped.edge_name(id);
    const size_t head = name.rfind(".h");
    const char kind = name[name.size() - 2];
    // "a0.h3<k>" is read by group 1 of two heads; h counts to 5, one digit.
    if (kind == 'k' || kind == 'v') name.replace(head, 3, ".kv" + std::to_string((name[head + 2] - '0') / 2));
    sums[name] += written.scores.values[id];
    inside[name] = inside[name] || std::binary_search(written.circuit.edges.begin(), written.circuit.edges.end(), id);
  }
  ASSERT_EQ(static_cast<int64_t>(sums.size()), grouped.n_edges());
  for (int64_t id = 0; id < grouped.n_edges(); ++id) {
    const std::string name = grouped.edge_name(id);
    EXPECT_EQ(read.scores.values[id], static_cast<float>(sums.at(name))) << name;
    EXPECT_EQ(std::binary_search(read.circuit.edges.begin(), read.circuit.edges.end(), id), inside.at(name)) << name;
  }
}

TEST_P(Import, OfAFileReadOnceIsThatOfThePath) {
  const Architecture a = shape(2, 6, 3);
  const Graph ungrouped(a, KeyValueNodes::kUngrouped);
  const Graph grouped(a, KeyValueNodes::kGrouped);
  const std::string file = write(a, ungrouped, sample(ungrouped), GetParam());
  const CircuitFile twice = read_circuit(file, grouped);
  const CircuitFile once = on_graph(read_circuit(file), grouped, file);
  EXPECT_EQ(once.scores.values, twice.scores.values);
  EXPECT_EQ(once.circuit.edges, twice.circuit.edges);
  EXPECT_EQ(once.meta, twice.meta);
}

INSTANTIATE_TEST_SUITE_P(Forms, Import, testing::Values("a.json", "a.safetensors"));

TEST_F(CircuitFiles, OfOtherToolsNameNoKeyValueHeadsAndCanBeImported) {
  const Architecture a = shape(1, 4, 2);
  const Graph ungrouped(a, KeyValueNodes::kUngrouped);
  Json json = read_json(write(a, ungrouped, sample(ungrouped), "a.json"));
  json["cfg"].erase("n_kv_heads");
  json["cfg"].erase("d_head");
  json.erase("meta");
  for (auto& node : json["nodes"]) node = Json{{"in_graph", true}, {"score", 0.5}, {"neurons", {true, false}}};
  write_file(path("other.json"), json.dump());
  EXPECT_EQ(read_circuit(path("other.json")).shape.architecture.n_kv_heads, 4);
  const Graph grouped(a, KeyValueNodes::kGrouped);
  const CircuitFile read = read_circuit(path("other.json"), grouped);
  EXPECT_EQ(static_cast<int64_t>(read.scores.values.size()), grouped.n_edges());
  EXPECT_TRUE(read.meta.empty());
}

TEST_F(CircuitFiles, BothSpellingsOfNodesAreRead) {
  Json json = valid();
  for (auto& node : json["nodes"]) node = node.at("in_graph");
  EXPECT_EQ(refusal(json), "accepted");
  json["nodes"]["a0.h1"] = 1;
  EXPECT_THAT(refusal(json), testing::AllOf(HasSubstr("a0.h1"), HasSubstr("expected true or false")));
}

}  // namespace
}  // namespace circuit
