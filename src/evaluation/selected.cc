#include "evaluation/selected.h"

#include <fmt/core.h>

#include "selection/stability.h"

namespace circuit {

int64_t count_stable(const Selected& selected) {
  return static_cast<int64_t>(stable_edges(selected.circuit, selected.stability, kStableShare).edges.size());
}

Json selection_json(const Selected& selected) {
  Json json = Json::object();
  if (!selected.stability.empty()) {
    json["stability"] = {{"resamples", selected.resamples}, {"share", kStableShare}, {"edges", count_stable(selected)}};
  }
  if (!selected.target) return json;
  const TargetFound& t = *selected.target;
  json["target"] = {{"target_faithfulness", t.target},
                    {"faithfulness", t.faithfulness.value},
                    {"interval", {t.faithfulness.interval.low, t.faithfulness.interval.high}},
                    {"edges", t.size.size},
                    {"edges_pruned", t.edges_run},
                    {"held_out", t.held_out},
                    {"examples", t.examples}};
  if (t.size.below > 0) json["target"]["below"] = {{"edges", t.size.below}, {"faithfulness", t.size.below_value}};
  return json;
}

std::map<std::string, std::string> selection_meta(const Selected& selected) {
  std::map<std::string, std::string> meta;
  if (selected.target) {
    const TargetFound& t = *selected.target;
    meta["target_faithfulness"] = fmt::format("{}", t.target);
    meta["faithfulness"] = fmt::format("{:.6g}", t.faithfulness.value);
    meta["faithfulness_interval"] =
        fmt::format("[{:.6g}, {:.6g}]", t.faithfulness.interval.low, t.faithfulness.interval.high);
    meta["held_out"] = t.held_out;
  }
  if (!selected.stability.empty()) meta["resamples"] = std::to_string(selected.resamples);
  if (selected.stable > 0) meta["stable"] = fmt::format("{}", selected.stable);
  return meta;
}

}  // namespace circuit
