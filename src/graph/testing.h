// Circuit files written to a folder of their own, whole and spoilt.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include "core/error.h"
#include "core/rng.h"
#include "graph/circuit_file.h"
#include "graph/circuit_file_forms.h"
#include "io/files.h"
#include "io/json.h"
#include "io/safetensors.h"

namespace circuit {

namespace fs = std::filesystem;

inline Architecture shape(int64_t layers, int64_t heads, int64_t kv_heads) {
  Architecture a;
  a.n_layers = layers;
  a.n_heads = heads;
  a.n_kv_heads = kv_heads;
  a.d_model = 12;
  a.d_head = 5;
  a.d_mlp = 15;
  return a;
}

inline Architecture parallel_shape() {
  Architecture a = shape(2, 3, 3);
  a.every_layer().set_parallel(true);
  return a;
}

// Experts in all layers but those that are named: three that a router chooses from and one beside them.
inline Architecture experts_shape(int64_t layers, const std::vector<int64_t>& dense) {
  Architecture a = shape(layers, 4, 2);
  ExpertsSpec& experts = a.every_layer().mlp.experts;
  experts.routed = 3;
  experts.shared = 1;
  experts.width = 5;
  a.d_mlp = 20;
  std::vector<bool> marked(static_cast<size_t>(layers));
  for (const int64_t l : dense) marked[l] = true;
  a.change_layers(marked, [](LayerSpec& layer) {
    layer.mlp.experts = {};
    layer.mlp.channels = 7;
  });
  return a;
}

class CircuitFiles : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("circuit-graph-test-" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  // Random scores, every third edge in.
  static CircuitFile sample(const Graph& graph) {
    Rng rng(7);
    CircuitFile file;
    for (int64_t id = 0; id < graph.n_edges(); ++id) {
      file.scores.values.push_back(static_cast<float>(rng.normal()) * 1e-3F);
      if (id % 3 == 1) file.circuit.edges.push_back(id);
    }
    return file;
  }

  std::string write(const Architecture& a, const Graph& graph, const CircuitFile& file, const std::string& name) const {
    std::string to = path(name);
    const std::map<std::string, std::string> meta{{"method", "eap"}, {"examples", "12"}};
    if (fs::path(name).extension() == ".json") {
      write_circuit_json(to, a, graph, file.scores, file.circuit, meta, file.stability);
    } else {
      write_circuit_compact(to, graph, file.scores, file.circuit, meta, file.stability);
    }
    return to;
  }

  // A valid file of one layer of two heads, to be spoilt.
  Json valid() const {
    const Graph graph(shape(1, 2, 2), KeyValueNodes::kGrouped);
    return read_json(write(shape(1, 2, 2), graph, sample(graph), "valid.json"));
  }
  std::string refusal(const std::string& file) const {
    try {
      read_circuit(file);
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr(file)) << "the file is not named";
      return error.what();
    }
    return "accepted";
  }
  std::string refusal(const Json& json) const {
    write_file(path("spoilt.json"), json.dump());
    return refusal(path("spoilt.json"));
  }
  std::string refusal(const std::string& file, const Graph& graph) const {
    try {
      read_circuit(file, graph);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }
  fs::path folder_;
};

}  // namespace circuit
