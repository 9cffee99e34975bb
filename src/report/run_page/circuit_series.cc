#include "report/run_page/circuit_series.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <unordered_map>

#include "core/error.h"
#include "core/spread.h"
#include "report/kit/packed.h"
#include "store/discovery_cursor.h"

namespace circuit {
namespace {

constexpr uint32_t kNoNode = std::numeric_limits<uint32_t>::max();
constexpr float kNotKept = std::numeric_limits<float>::quiet_NaN();
constexpr size_t kHalf = 2;  // bytes

using Index = std::unordered_map<std::string, uint32_t>;

Index index_of(const std::vector<std::string>& names) {
  Index index;
  for (const std::string& name : names) index.emplace(name, static_cast<uint32_t>(index.size()));
  return index;
}

// By edge id; kNoNode where a name is not in the lists.
std::vector<EdgeSeries> read_edges(RunReader& reader, const RunData& run) {
  const Index upstream = index_of(run.upstream_nodes), downstream = index_of(run.downstream_nodes);
  const auto node = [](const Index& index, const std::string& name) {
    const auto found = index.find(name);
    return found == index.end() ? kNoNode : found->second;
  };
  std::vector<EdgeSeries> edges;
  for (const EdgeRow& row : reader.edges()) {
    edges.resize(static_cast<size_t>(row.id) + 1, {kNoNode, kNoNode});
    edges.back().upstream = node(upstream, row.upstream);
    edges.back().downstream = node(downstream, row.downstream);
  }
  return edges;
}

bool is_named(const EdgeSeries& edge) { return edge.upstream != kNoNode && edge.downstream != kNoNode; }

// The shown discoveries in turn, each with its circuit.
class DiscoveryReader {
 public:
  DiscoveryReader(RunReader& reader, const RunData& run, const CircuitSeries& series)
      : run_(run), series_(series), place_(reader.place()), cursor_(reader) {}

  void next() {
    const int64_t step = run_.discoveries[series_.discoveries[position_++]].step;
    if (!cursor_.go_to(step)) fail(place_, "discovery at step {}: no longer there. Write the report again.", step);
  }

  bool kept_scores() const { return cursor_.kept_scores(); }
  // Of all edges: the vector, or where it was not kept the circuit's scores.
  void scores(std::vector<float>& values) const {
    if (kept_scores()) return cursor_.scores(values.size(), values.data());
    std::fill(values.begin(), values.end(), kNotKept);
    for (const auto& [edge, score] : circuit()) {
      if (static_cast<size_t>(edge) < values.size()) values[static_cast<size_t>(edge)] = score;
    }
  }
  void strengths(float* upstream, float* downstream) const {
    cursor_.upstream_strength(run_.upstream_nodes.size(), upstream);
    cursor_.downstream_strength(run_.downstream_nodes.size(), downstream);
  }
  const std::vector<std::pair<int64_t, float>>& circuit() const { return cursor_.circuit(); }

 private:
  const RunData& run_;
  const CircuitSeries& series_;
  std::string place_;
  DiscoveryCursor cursor_;
  size_t position_ = 0;
};

// Strengths, every edge's largest |S| and its turns.
void read_strengths_and_turns(DiscoveryReader& reader, const RunData& run, std::vector<EdgeSeries>& edges,
                              CircuitSeries& series) {
  const size_t n = series.discoveries.size();
  series.upstream.resize(n * run.upstream_nodes.size());
  series.downstream.resize(n * run.downstream_nodes.size());
  std::vector<float> scores(edges.size());
  std::vector<uint32_t> seen(edges.size(), 0);  // 1 + the position at which the edge was last in the circuit
  std::vector<size_t> before, now;
  for (size_t i = 0; i < n; ++i) {
    reader.next();
    reader.strengths(&series.upstream[i * run.upstream_nodes.size()],
                     &series.downstream[i * run.downstream_nodes.size()]);
    reader.scores(scores);
    series.with_scores += reader.kept_scores() ? 1 : 0;
    for (size_t e = 0; e < edges.size(); ++e) {
      const float size = std::abs(scores[e]);
      if (size > edges[e].largest && std::isfinite(size)) edges[e].largest = size;
    }
    now.clear();
    for (const auto& [id, score] : reader.circuit()) {
      const auto e = static_cast<size_t>(id);
      if (e >= edges.size()) continue;
      if (i == 0 || seen[e] != i) edges[e].turns.push_back(static_cast<uint32_t>(i));
      seen[e] = static_cast<uint32_t>(i + 1);
      now.push_back(e);
    }
    for (const size_t e : before) {
      if (seen[e] != i + 1) edges[e].turns.push_back(static_cast<uint32_t>(i));
    }
    before.swap(now);
  }
}

size_t packed_size(const EdgeSeries& edge) {
  size_t size = 2 * kHalf + varint_size(static_cast<uint32_t>(edge.turns.size()));
  uint32_t at = 0;
  for (const uint32_t turn : edge.turns) {
    size += varint_size(turn - at);
    at = turn;
  }
  return size;
}

// Ids by largest |S|, falling; those of one size by id.
std::vector<size_t> by_size(const std::vector<EdgeSeries>& edges) {
  std::vector<size_t> ids(edges.size());
  std::iota(ids.begin(), ids.end(), size_t{0});
  ids.erase(std::remove_if(ids.begin(), ids.end(), [&](size_t e) { return !is_named(edges[e]); }), ids.end());
  std::stable_sort(ids.begin(), ids.end(), [&](size_t a, size_t b) { return edges[a].largest > edges[b].largest; });
  return ids;
}

// How many discoveries there is room for: node strengths take at most three fifths.
size_t discoveries_in(size_t bytes, const RunData& run) {
  const size_t one = base64_size(kHalf * (run.upstream_nodes.size() + run.downstream_nodes.size()));
  return std::clamp(bytes * 3 / 5 / one, size_t{2}, kMaxDiscoveries);
}

}  // namespace

CircuitSeries read_circuit_series(const std::string& run_folder, const RunData& run, size_t bytes) {
  CircuitSeries series;
  if (run.discoveries.empty() || run.upstream_nodes.empty() || run.downstream_nodes.empty()) return series;
  RunReader reader = open_run(run_folder);
  std::vector<EdgeSeries> edges = read_edges(reader, run);
  series.graph_edges = edges.size();
  series.discoveries = spread_indices(run.discoveries.size(), discoveries_in(bytes, run));
  const size_t n = series.discoveries.size();
  {
    DiscoveryReader discoveries(reader, run, series);
    read_strengths_and_turns(discoveries, run, edges, series);
  }

  const std::vector<size_t> ids = by_size(edges);
  const size_t strengths = base64_size(kHalf * (series.upstream.size() + series.downstream.size()));
  const size_t one = std::max(size_t{1}, base64_size(kHalf * n));  // an edge's scores
  const size_t room = bytes > strengths ? bytes - strengths : 0;
  series.scored = std::min({kMaxScoredEdges, ids.size(), room * 4 / 5 / one});
  size_t left = room - series.scored * one;
  std::vector<size_t> kept;
  for (size_t i = 0; i < ids.size(); ++i) {
    const EdgeSeries& edge = edges[ids[i]];
    if (i >= series.scored && edge.turns.empty()) continue;
    const size_t size = base64_size(packed_size(edge));
    if (i >= series.scored && size > left) {
      ++series.left_out;
      continue;
    }
    left -= std::min(left, size);
    series.edges.push_back(edge);
    kept.push_back(ids[i]);
  }

  series.scores.resize(n * series.scored);
  std::vector<float> scores(edges.size());
  DiscoveryReader discoveries(reader, run, series);
  for (size_t i = 0; i < n; ++i) {
    discoveries.next();
    discoveries.scores(scores);
    for (size_t k = 0; k < series.scored; ++k) series.scores[i * series.scored + k] = scores[kept[k]];
  }
  return series;
}

}  // namespace circuit
