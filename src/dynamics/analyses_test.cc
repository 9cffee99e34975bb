#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "core/error.h"
#include "core/names.h"
#include "core/rng.h"
#include "dynamics/analysis.h"
#include "dynamics/circuit_diff.h"
#include "store/recorder.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

Architecture shape() {
  Architecture a;
  a.family = "gpt2";
  a.n_layers = 3;
  a.n_heads = a.n_kv_heads = 4;
  return a;
}

// Every tenth step a discovery. Edges 0 … 4 strengthen, 5 … 9 weaken, the others wander: random walks, AR(1), noise.
// Circuits: edges 0 … 19 always, 20 … 24 in the first half, 25 … 29 in the second; the metric jumps at the half.
class PlantedRun : public testing::Test {
 protected:
  static constexpr int64_t kDiscoveries = 60;
  static constexpr int64_t kGap = 10;

  void SetUp() override {
    folder_ = (fs::temp_directory_path() / ("circuit-analyses-" + std::to_string(getpid()))).string();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    const std::string path = folder_ + "/run.db";
    const Json graph = {{"n_layers", 3}, {"n_heads", 4}, {"n_kv_heads", 4}};
    Recorder::create(path, graph_, {}, {{"graph", graph.dump()}});
    Recorder recorder(path, graph_, 0);
    Rng rng(1);
    std::vector<double> walk(graph_.n_edges());
    for (int64_t d = 0; d < kDiscoveries; ++d) {
      const double along = static_cast<double>(d) / kDiscoveries;
      EdgeScores scores;
      for (int64_t e = 0; e < graph_.n_edges(); ++e) {
        const double persistence = e % 3 == 0 ? 1.0 : e % 3 == 1 ? 0.8 : 0.0;
        walk[e] = persistence * walk[e] + rng.normal();
        // Of either sign: strength is |S|.
        const double planted = (e % 2 == 0 ? 1 : -1) * (20 + (e < 5 ? 12 * along : -12 * along) + 0.7 * rng.normal());
        scores.values.push_back(static_cast<float>(e < 10 ? planted : 30 + walk[e]));
      }
      Circuit circuit;
      for (int64_t e = 0; e < 20; ++e) circuit.edges.push_back(e);
      for (int64_t e = 0; e < 5; ++e) circuit.edges.push_back((d < kDiscoveries / 2 ? 20 : 25) + e);
      const double metric = (d < kDiscoveries / 2 ? 0 : 5) + 0.3 * rng.normal();
      recorder.discovery({kGap * d, scores, circuit, metric, 4, 0.0, 0.1}, 96, 200);
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  AnalysisResult analyse(const std::string& name) {
    RecordedRun run(folder_);
    return find_named(analyses(), "test", name).run({run, nullptr, 0});
  }
  static AnalysisTable table(const AnalysisResult& result, const std::string& name) {
    const auto found = std::find_if(result.tables.begin(), result.tables.end(),
                                    [&](const AnalysisTable& t) { return t.name == name; });
    if (found == result.tables.end()) throw std::runtime_error("no table " + name);
    return *found;
  }

  std::string folder_;
  Graph graph_{shape(), KeyValueNodes::kGrouped};
};

TEST_F(PlantedRun, StrengthenedAndWeakenedEdgesAreFoundAndFewOthers) {
  const AnalysisResult result = analyse("trends");
  int64_t right = 0;
  int64_t wrong = 0;
  const AnalysisTable trends = table(result, "trends");
  for (const std::vector<Json>& row : trends.rows) {
    const int64_t edge = *graph_.find_edge(row[0].get<std::string>());
    const std::string expected = edge < 5 ? "strengthened" : edge < 10 ? "weakened" : "none";
    (row[1] == expected ? right : wrong) += 1;
  }
  EXPECT_EQ(right, 10);
  // A twentieth of what is found, and one for chance.
  EXPECT_LE(wrong, 1);
}

TEST_F(PlantedRun, SlopesAreThoseOfTheMagnitude) {
  const AnalysisResult result = analyse("trends");
  const AnalysisTable trends = table(result, "trends");
  for (const std::vector<Json>& row : trends.rows) {
    const int64_t edge = *graph_.find_edge(row[0].get<std::string>());
    if (edge >= 10) continue;
    // 12 over 600 steps; noise of 0.7 on 60 points leaves a standard error of 0.05 per 100 steps.
    EXPECT_NEAR(row[2].get<double>(), edge < 5 ? 2 : -2, 0.2) << graph_.edge_name(edge);
  }
}

TEST_F(PlantedRun, TheCoreIsWhatStayed) {
  const AnalysisResult result = analyse("core-circuit");
  const AnalysisTable core = table(result, "core_circuit");
  ASSERT_EQ(core.rows.size(), 20U);
  std::set<int64_t> edges;
  for (const std::vector<Json>& row : core.rows) {
    edges.insert(*graph_.find_edge(row[0].get<std::string>()));
    EXPECT_EQ(row[1].get<double>(), 1);
    EXPECT_TRUE(row[2].get<bool>() && row[3].get<bool>());
  }
  EXPECT_EQ(*edges.rbegin(), 19);
  // Cores of the halves share 20 of 30.
  EXPECT_NE(result.findings.back().find("0.667"), std::string::npos) << result.findings.back();
}

TEST_F(PlantedRun, OverlapSeesTheExchangeAndItsStep) {
  const AnalysisTable overlap = table(analyse("overlap"), "overlap");
  ASSERT_EQ(overlap.rows.size(), static_cast<size_t>(kDiscoveries));
  for (int64_t d = 1; d < kDiscoveries; ++d) {
    EXPECT_DOUBLE_EQ(overlap.rows[d][2].get<double>(), d == kDiscoveries / 2 ? 20.0 / 30 : 1) << d;
  }
  EXPECT_DOUBLE_EQ(overlap.rows.back()[4].get<double>(), 20.0 / 30);
}

TEST_F(PlantedRun, RetentionFallsToWhatStays) {
  const AnalysisTable retention = table(analyse("half-life"), "retention");
  EXPECT_EQ(retention.rows.front()[2].get<double>(), 1);
  EXPECT_DOUBLE_EQ(retention.rows.back()[2].get<double>(), 20.0 / 25);
  EXPECT_DOUBLE_EQ(retention.rows.back()[1].get<double>(), kGap * (kDiscoveries - 1));
  EXPECT_NEAR(retention.rows.back()[3].get<double>(), 25.0 / static_cast<double>(graph_.n_edges()), 1e-12);
}

TEST_F(PlantedRun, TheMetricsJumpIsFoundAtItsStep) {
  bool found = false;
  const AnalysisTable jumps = table(analyse("change-points"), "change_points");
  for (const std::vector<Json>& row : jumps.rows) {
    if (row[0] != "metric") continue;
    found = true;
    EXPECT_EQ(row[1].get<int64_t>(), kGap * kDiscoveries / 2);
    EXPECT_NEAR(row[2].get<double>(), 5, 0.5);  // noise of 0.3 on 60 points
  }
  EXPECT_TRUE(found);
}

TEST_F(PlantedRun, NodeStrengthIsTheSumOfItsEdges) {
  const AnalysisTable nodes = table(analyse("node-strength"), "node_strength");
  RecordedRun run(folder_);
  const RecordedDiscovery& last = run.discoveries().back();
  double sum = 0;
  const float* scores = run.scores().at(kDiscoveries - 1);
  for (const int64_t e : last.circuit.edges) sum += graph_.edge(e).upstream == 0 ? std::fabs(scores[e]) : 0;
  const auto input =
      std::find_if(nodes.rows.begin(), nodes.rows.end(), [](const auto& row) { return row[0] == "input"; });
  ASSERT_NE(input, nodes.rows.end());
  EXPECT_NEAR((*input)[2].get<double>(), sum, 1e-4 * sum);  // float32 sums
}

TEST_F(PlantedRun, ScoresBeyondTheLimitAreThinnedEvenly) {
  RecordedRun run(folder_);
  const ScoreSeries& series = run.scores(20 * graph_.n_edges() * 4);
  EXPECT_EQ(series.points(), 20);
  for (int64_t i = 0; i < series.points(); ++i) EXPECT_EQ(series.steps[i], static_cast<double>(3 * kGap * i));
}

TEST(EvenlySpread, DropsWhatStandsBetween) {
  EXPECT_EQ(evenly_spread({0, 10, 20, 25, 30, 34}), (std::vector<int64_t>{0, 10, 20, 30}));
  EXPECT_EQ(evenly_spread({0, 1, 2}), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(evenly_spread({5}), (std::vector<int64_t>{5}));
}

TEST(RecordedRun, WithoutAStoreIsRefused) { EXPECT_THROW(RecordedRun("no/such/run"), Error); }

TEST(ChanceOfNodes, OfAllEdgesIsOneAndOfFewIsBetween) {
  const Graph graph(shape(), KeyValueNodes::kGrouped);
  Rng rng(3);
  EXPECT_DOUBLE_EQ(chance_jaccard_nodes(graph, graph.n_edges(), graph.n_edges(), 2, rng), 1);
  // One edge each: nodes are shared by two random edges with the writer in common, the reader, or both.
  double expected = 0;
  const auto all = static_cast<double>(graph.n_edges());
  for (int64_t a = 0; a < graph.n_edges(); ++a) {
    for (int64_t b = 0; b < graph.n_edges(); ++b) {
      const Edge x = graph.edge(a);
      const Edge y = graph.edge(b);
      const int both = (x.upstream == y.upstream) + (x.downstream == y.downstream);
      expected += both / static_cast<double>(4 - both) / (all * all);
    }
  }
  constexpr int64_t kDraws = 20000;
  // The Jaccard of a pair is at most 1, so a mean over the draws errs by less than four of 1 / √draws.
  EXPECT_NEAR(chance_jaccard_nodes(graph, 1, 1, kDraws, rng), expected, 4 / std::sqrt(static_cast<double>(kDraws)));
}

}  // namespace
}  // namespace circuit
