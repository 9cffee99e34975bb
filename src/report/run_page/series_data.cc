#include "report/run_page/series_data.h"

#include "report/kit/packed.h"

namespace circuit {
namespace {

Json halves(const std::vector<float>& values) {
  const PackedHalves packed = pack_halves(values);
  return {{"scale", packed.scale}, {"halves", packed.text}};
}

template <class Value>
Json column(const RunData& run, const CircuitSeries& series, const Value& value) {
  Json values = Json::array();
  for (const size_t index : series.discoveries) values.push_back(value(run.discoveries[index]));
  return values;
}

}  // namespace

Json series_data(const RunData& run, const CircuitSeries& series) {
  const int index_bytes = run.upstream_nodes.size() > 0xFFFF || run.downstream_nodes.size() > 0xFFFF ? 4 : 2;
  std::string ends, turns;
  for (const EdgeSeries& edge : series.edges) {
    append_bytes(ends, edge.upstream, index_bytes);
    append_bytes(ends, edge.downstream, index_bytes);
    append_varint(turns, static_cast<uint32_t>(edge.turns.size()));
    uint32_t at = 0;
    for (const uint32_t turn : edge.turns) {
      append_varint(turns, turn - at);
      at = turn;
    }
  }
  const auto parallel = run.graph.find("parallel");
  const auto method = run.meta.find("method");
  return {{"name", run.name},
          {"method", method == run.meta.end() ? "" : method->second},
          {"parallel", parallel != run.graph.end() && parallel->is_boolean() && parallel->get<bool>()},
          {"upstream", run.upstream_nodes},
          {"downstream", run.downstream_nodes},
          {"graph_edges", series.graph_edges},
          {"discoveries", run.discoveries.size()},
          {"steps", column(run, series, [](const DiscoveryRow& row) { return row.step; })},
          {"n_edges", column(run, series, [](const DiscoveryRow& row) { return row.n_edges; })},
          {"n_nodes", column(run, series, [](const DiscoveryRow& row) { return row.n_nodes; })},
          {"share", column(run, series, [](const DiscoveryRow& row) { return row.trainable_share; })},
          {"upstream_strength", halves(series.upstream)},
          {"downstream_strength", halves(series.downstream)},
          {"index_bytes", index_bytes},
          {"ends", base64(ends)},
          {"scored", series.scored},
          {"scores", halves(series.scores)},
          {"turns", base64(turns)},
          {"with_scores", series.with_scores},
          {"left_out", series.left_out}};
}

}  // namespace circuit
