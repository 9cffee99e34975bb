// A made-up run folder for the report's tests, written through io/sqlite.h with the store's own schema.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/rng.h"
#include "io/files.h"
#include "io/json.h"
#include "io/sqlite.h"
#include "store/schema.h"

namespace circuit {

struct SyntheticRun {
  int layers = 4, heads = 6, kv_heads = 6, mlp_blocks = 1;
  int steps = 300;
  int discovery_every = 10;
  int circuit_size = 200;
  std::string method = "circuit";
  std::string model = "examples/books-4l";
  std::string config = "[tuning]\nmethod = \"circuit\"\n";
  std::string odd_evaluation = "";  // a further name, evaluated as the others are
  uint64_t seed = 1;
};

struct SyntheticGraph {
  std::vector<std::string> upstream, downstream;
  std::vector<std::pair<int, int>> edges;
};

inline SyntheticGraph synthetic_graph(const SyntheticRun& spec) {
  SyntheticGraph graph;
  graph.upstream.push_back("input");
  const auto mlp = [&](int l, int j) {
    return "m" + std::to_string(l) + (spec.mlp_blocks > 1 ? ".b" + std::to_string(j) : "");
  };
  for (int l = 0; l < spec.layers; ++l) {
    const std::string a = "a" + std::to_string(l) + ".";
    const size_t before = graph.upstream.size();
    const auto read = [&](const std::string& name, size_t writers) {
      for (size_t u = 0; u < writers; ++u) {
        graph.edges.emplace_back(static_cast<int>(u), static_cast<int>(graph.downstream.size()));
      }
      graph.downstream.push_back(name);
    };
    const std::string kv = spec.kv_heads == spec.heads ? "h" : "kv";
    for (int h = 0; h < spec.heads; ++h) read(a + "h" + std::to_string(h) + "<q>", before);
    for (int g = 0; g < spec.kv_heads; ++g) read(a + kv + std::to_string(g) + "<k>", before);
    for (int g = 0; g < spec.kv_heads; ++g) read(a + kv + std::to_string(g) + "<v>", before);
    for (int h = 0; h < spec.heads; ++h) graph.upstream.push_back(a + "h" + std::to_string(h));
    for (int j = 0; j < spec.mlp_blocks; ++j) read(mlp(l, j), before + spec.heads);
    for (int j = 0; j < spec.mlp_blocks; ++j) graph.upstream.push_back(mlp(l, j));
  }
  for (size_t u = 0; u < graph.upstream.size(); ++u) {
    graph.edges.emplace_back(static_cast<int>(u), static_cast<int>(graph.downstream.size()));
  }
  graph.downstream.push_back("logits");
  return graph;
}

inline void write_synthetic_run(const std::string& folder, const SyntheticRun& spec) {
  std::filesystem::create_directories(folder);
  const SyntheticGraph graph = synthetic_graph(spec);
  constexpr int64_t kParameters = 2590848;
  Database database(folder + "/run.db", Database::Mode::kCreate);
  database.execute(kSchemaSql);
  auto transaction = std::make_unique<Transaction>(database);
  const auto meta = [&](const std::string& key, const std::string& value) {
    database.prepare("INSERT INTO meta VALUES(?, ?)").bind(1, key).bind(2, value).run();
  };
  meta("program_version", "0.1.0");
  meta("created", "2026-01-02T03:04:05Z");
  meta("method", spec.method);
  meta("model", spec.model);
  meta("architecture",
       Json({{"family", "gpt2"}, {"n_layers", spec.layers}, {"n_heads", spec.heads}, {"parameters", kParameters}})
           .dump());
  meta("graph", Json({{"parallel", false}, {"edges", graph.edges.size()}}).dump());
  meta("upstream_nodes", Json(graph.upstream).dump());
  meta("downstream_nodes", Json(graph.downstream).dump());
  meta("config", spec.config);
  meta("status", "finished");

  auto edge_row = database.prepare("INSERT INTO edges VALUES(?, ?, ?)");
  for (size_t e = 0; e < graph.edges.size(); ++e) {
    edge_row.bind(1, static_cast<int64_t>(e)).bind(2, graph.upstream[graph.edges[e].first]);
    edge_row.bind(3, graph.downstream[graph.edges[e].second]).run();
  }
  Rng rng(spec.seed);
  auto step_row = database.prepare("INSERT INTO steps VALUES(?, ?, ?, ?, ?, ?, ?, ?)");
  for (int step = 0; step < spec.steps; ++step) {
    const double done = static_cast<double>(step) / spec.steps;
    step_row.bind(1, int64_t{step}).bind(2, 3.0 + 1.2 * std::exp(-6 * done) + 0.15 * rng.normal());
    step_row.bind(3, -3.4 + 6 * (1 - std::exp(-4 * done)) + 0.5 * rng.normal());
    step_row.bind(4, 1e-3 * std::min(1.0, (step + 1) / 30.0)).bind(5, 1.5 + std::abs(rng.normal()));
    step_row.bind(6, int64_t{500}).bind(7, int64_t{600000}).bind(8, 0.4).run();
  }
  auto evaluation = database.prepare("INSERT INTO evaluations VALUES(?, ?, ?)");
  const auto evaluate = [&](int step, const std::string& name, double value) {
    evaluation.bind(1, int64_t{step}).bind(2, name).bind(3, value).run();
  };
  for (int step = 0; step <= spec.steps; step += std::max(1, spec.steps / 15)) {
    const double learnt = 1 - std::exp(-4.0 * step / spec.steps);
    evaluate(step, "dev/metric", -3.41 + 5.6 * learnt);
    evaluate(step, "dev/accuracy", 0.083 + 0.82 * learnt);
    evaluate(step, "dev/perplexity", 88.4 - 31 * learnt);
    evaluate(step, "untouched/perplexity", 46.2 + 5.1 * learnt * learnt);
    if (!spec.odd_evaluation.empty()) evaluate(step, spec.odd_evaluation, learnt);
  }
  for (const int step : {0, spec.steps}) {
    evaluate(step, "test/metric", step == 0 ? -3.3 : 1.9);
    evaluate(step, "test/accuracy", step == 0 ? 0.09 : 0.86);
    evaluate(step, "test/accuracy/ are", step == 0 ? 0.25 : 0.81);
    evaluate(step, "test/accuracy/ is", step == 0 ? 0.04 : 0.92);
  }

  // Scores drift slowly, so that circuits of neighbouring discoveries overlap.
  std::vector<double> scores(graph.edges.size()), drift(graph.edges.size());
  for (size_t e = 0; e < scores.size(); ++e) {
    scores[e] = std::pow(rng.uniform(), 6) * rng.normal();
    drift[e] = std::pow(rng.uniform(), 6) * rng.normal();
  }
  std::set<int64_t> first, previous;
  const auto jaccard = [](const std::set<int64_t>& a, const std::set<int64_t>& b) {
    int64_t both = 0;
    for (const int64_t e : a) both += static_cast<int64_t>(b.count(e));
    return static_cast<double>(both) / static_cast<double>(a.size() + b.size() - both);
  };
  auto discovery = database.prepare("INSERT INTO discoveries VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
  auto circuit_edge = database.prepare("INSERT INTO circuit_edges VALUES(?, ?, ?)");
  for (int step = 0; step < spec.steps && spec.discovery_every > 0; step += spec.discovery_every) {
    for (size_t e = 0; e < scores.size(); ++e) {
      scores[e] += 1.5 * drift[e] * spec.discovery_every / spec.steps + 0.004 * rng.normal();
    }
    std::vector<int64_t> order(scores.size());
    for (size_t e = 0; e < order.size(); ++e) order[e] = static_cast<int64_t>(e);
    std::sort(order.begin(), order.end(),
              [&](int64_t a, int64_t b) { return std::abs(scores[a]) > std::abs(scores[b]); });
    order.resize(std::min<size_t>(order.size(), spec.circuit_size));
    std::vector<float> up(graph.upstream.size()), down(graph.downstream.size()), all(scores.begin(), scores.end());
    std::set<int64_t> now(order.begin(), order.end());
    for (const int64_t e : order) {
      up[graph.edges[e].first] += static_cast<float>(std::abs(scores[e]));
      down[graph.edges[e].second] += static_cast<float>(std::abs(scores[e]));
      circuit_edge.bind(1, int64_t{step}).bind(2, e).bind(3, scores[e]).run();
    }
    const auto used = [](const std::vector<float>& v) { return v.size() - std::count(v.begin(), v.end(), 0.0f); };
    const bool is_first = previous.empty();
    int64_t entered = 0;
    for (const int64_t e : now) entered += static_cast<int64_t>(previous.count(e) == 0);
    if (is_first) first = now;
    discovery.bind(1, int64_t{step}).bind(2, static_cast<int64_t>(now.size()));
    discovery.bind(3, static_cast<int64_t>(used(up) + used(down))).bind(4, int64_t{600000});
    discovery.bind(5, 0.2 + 0.05 * step / spec.steps).bind(6, -1.0).bind(7, int64_t{16});
    for (const int column : {8, 9, 10, 11, 12}) {
      if (is_first) {
        discovery.bind_null(column);
      } else {
        discovery.bind(column, jaccard(now, column % 2 == 0 ? previous : first));
      }
    }
    discovery.bind(13, entered).bind(14, entered).bind_null(15).bind(16, 0.2);
    discovery.bind_blob(17, all.data(), all.size() * 4).bind_blob(18, up.data(), up.size() * 4);
    discovery.bind_blob(19, down.data(), down.size() * 4).run();
    previous = now;
    // A large run's write-ahead log would otherwise be as large as the run.
    if (step / spec.discovery_every % 100 == 99) {
      transaction->commit();
      transaction = std::make_unique<Transaction>(database);
    }
  }
  transaction->commit();
}

}  // namespace circuit
