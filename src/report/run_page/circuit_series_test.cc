#include "report/run_page/circuit_series.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "report/run_page/run_page.h"
#include "report/run_page/series_data.h"
#include "report/run_page/testing.h"

namespace circuit {
namespace {

constexpr size_t kRoom = 20'000'000;  // more than any of these runs needs

TEST_F(Report, SeriesHoldTheStoresNumbers) {
  const std::string folder = make("run");
  const RunData run = read_run(folder);
  const CircuitSeries series = read_circuit_series(folder, run, kRoom);
  ASSERT_EQ(series.discoveries.size(), 30u);
  EXPECT_EQ(series.scored, series.edges.size());  // a small graph is held whole
  EXPECT_EQ(series.graph_edges, series.edges.size());
  Database database(folder + "/run.db", Database::Mode::kReadOnly);
  database.add_float_at();
  auto rows = database.prepare(
      "SELECT e.upstream, e.downstream, float_at(d.scores, e.id), "
      "EXISTS(SELECT 1 FROM circuit_edges c WHERE c.step = d.step AND c.edge = e.id), d.step FROM "
      "discoveries d, edges e");
  std::map<std::pair<std::string, std::string>, size_t> at;
  for (size_t e = 0; e < series.edges.size(); ++e) {
    at[{run.upstream_nodes[series.edges[e].upstream], run.downstream_nodes[series.edges[e].downstream]}] = e;
  }
  size_t compared = 0;
  for (; rows.step(); ++compared) {
    const size_t e = at.at({rows.text(0), rows.text(1)});
    const auto i = static_cast<size_t>(rows.integer(4) / 10);
    EXPECT_EQ(series.scores[i * series.scored + e], static_cast<float>(rows.real(2)));
    const auto& turns = series.edges[e].turns;
    EXPECT_EQ((std::upper_bound(turns.begin(), turns.end(), i) - turns.begin()) % 2, rows.integer(3));
  }
  EXPECT_EQ(compared, 30 * series.edges.size());
}

TEST_F(Report, ScoredEdgesAreThoseOfLargestScoreOverTime) {
  const std::string folder = make("run");
  const CircuitSeries series = read_circuit_series(folder, read_run(folder), kRoom);
  for (size_t e = 0; e < series.scored; ++e) {
    float largest = 0;
    for (size_t i = 0; i < series.discoveries.size(); ++i)
      largest = std::max(largest, std::abs(series.scores[i * series.scored + e]));
    EXPECT_EQ(largest, series.edges[e].largest);
    if (e > 0) {
      EXPECT_LE(largest, series.edges[e - 1].largest);
    }
  }
}

TEST_F(Report, ScoresThatWereNotKeptAreThoseOfTheCircuit) {
  const std::string folder = make("run");
  change(folder,
         "CREATE TABLE d AS SELECT * FROM discoveries; DROP TABLE discoveries; ALTER TABLE d RENAME TO "
         "discoveries;"
         "UPDATE discoveries SET scores = NULL WHERE step = 50");
  const CircuitSeries series = read_circuit_series(folder, read_run(folder), kRoom);
  size_t known = 0;
  for (size_t e = 0; e < series.scored; ++e) known += !std::isnan(series.scores[5 * series.scored + e]);
  EXPECT_EQ(known, 200u);
  EXPECT_EQ(series.with_scores, 29u);
}

TEST_F(Report, ShortRoomThinsDiscoveriesThenLeavesWeakEdgesOut) {
  SyntheticRun spec;
  spec.steps = 400;
  spec.discovery_every = 1;
  spec.circuit_size = 600;
  const std::string folder = make("run", spec);
  const RunData run = read_run(folder);
  constexpr size_t kTight = 20'000;
  const CircuitSeries series = read_circuit_series(folder, run, kTight);
  EXPECT_LT(series.discoveries.size(), 400u);
  EXPECT_EQ(series.discoveries.back(), 399u);
  EXPECT_LT(series.scored, 100u);
  EXPECT_GT(series.left_out, 0u);
  // The names and lists of steps come on top.
  const Json data = series_data(run, series);
  size_t packed = 0;
  for (const char* key : {"ends", "turns"}) packed += data[key].get<std::string>().size();
  for (const char* key : {"scores", "upstream_strength", "downstream_strength"})
    packed += data[key]["halves"].get<std::string>().size();
  EXPECT_LE(packed, kTight);
  EXPECT_GT(packed, kTight / 2);
}

TEST_F(Report, UpdatesAddUpToAPath) {
  const std::string folder = make("run");
  change(folder,
         "INSERT INTO slices VALUES(0, 'a0.h0', 't', 0, 0, 1, 10), (1, 'a0.h0', 'u', 0, 0, 1, 5), (2, 'm0', "
         "'v', 0, 0, 1, 7),"
         "(3, 'm1', 'w', 0, 0, 1, 7);"
         "INSERT INTO slice_norms VALUES(0, 0, 1, 3), (0, 1, 1, 4), (10, 0, 1, 2), (10, 2, 1, 1), (20, 2, 1, "
         "0)");
  const std::vector<NodeUpdates> updates = read_run(folder).updates;
  ASSERT_EQ(updates.size(), 2u);
  EXPECT_EQ(updates[0].node, "a0.h0");
  EXPECT_EQ(updates[0].path, 7);  // √(3² + 4²) + 2
  EXPECT_EQ(updates[0].steps, 2);
  EXPECT_EQ(updates[0].parameters, 15);
  EXPECT_EQ(updates[1].node, "m0");
  EXPECT_EQ(updates[1].path, 1);
  EXPECT_EQ(data_of(render_report({folder}))["updates"][0]["nodes"].size(), 2u);
}

TEST_F(Report, EverySeriesOfAThousandDiscoveriesIsThere) {
  SyntheticRun spec;
  spec.steps = 1000;
  spec.discovery_every = 1;
  const std::string run = make("run", spec);
  const std::string page = render_report({run});
  const Json circuit = data_of(page)["circuits"][0];
  EXPECT_EQ(circuit["steps"].size(), 1000u);
  EXPECT_EQ(circuit["n_edges"][999], 200);
  EXPECT_EQ(circuit["left_out"], 0);
  constexpr size_t kSmall = 6'000'000;
  EXPECT_LT(page.size(), kSmall);
}

}  // namespace
}  // namespace circuit
