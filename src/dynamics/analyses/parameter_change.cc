// How far every slice moved: ‖W_after − W_before‖ / ‖W_before‖ (method.md §8), beside the path its steps took.
#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <algorithm>
#include <map>

#include "core/error.h"
#include "dynamics/analysis.h"
#include "graph/slices.h"

namespace circuit {
namespace {

double norm(const at::Tensor& t) {
  return at::linalg_vector_norm(t, 2, c10::nullopt, false, at::kDouble).item<double>();
}

AnalysisResult run_parameter_change(const AnalysisInput& input) {
  ModelStates& states = *input.states;
  const int64_t last = states.steps().back();
  const Model& before = states.base();
  const Model& after = states.at(last);
  const SliceTable table(states.graph(), before);
  std::map<std::pair<std::string, std::string>, SlicePath> paths;
  for (const SlicePath& path : input.run.slice_paths()) paths[{path.node, path.tensor}] = path;
  AnalysisTable out{
      "parameter_change",
      fmt::format("slices by relative change between the base and step {}", last),
      {"node", "tensor", "parameters", "relative_change", "change", "norm_before", "recorded_steps", "path"},
      {}};
  int64_t moved = 0;
  int64_t all = 0;
  for (const Slice& slice : table.slices()) {
    const at::Tensor a = slice_view(before, slice);
    const double change = norm(slice_view(after, slice).to(at::kDouble) - a.to(at::kDouble));
    all += slice.parameters;
    if (change == 0) continue;
    moved += slice.parameters;
    const double size = norm(a);
    const auto path = paths.find({slice.node, slice.tensor});
    out.rows.push_back({slice.node, slice.tensor, slice.parameters, number_or_null(change / size), change, size,
                        path == paths.end() ? Json(nullptr) : Json(path->second.steps),
                        path == paths.end() ? Json(nullptr) : Json(path->second.path)});
  }
  std::stable_sort(out.rows.begin(), out.rows.end(), [](const auto& x, const auto& y) {
    const auto key = [](const Json& value) { return value.is_null() ? -1.0 : value.get<double>(); };
    return key(x[3]) > key(y[3]);
  });
  AnalysisResult result;
  result.findings.push_back(fmt::format("{} of {} slices moved, {:.1f} % of the parameters that have a node.",
                                        out.rows.size(), table.slices().size(),
                                        all == 0 ? 0 : 100 * static_cast<double>(moved) / static_cast<double>(all)));
  if (!out.rows.empty() && !out.rows.front()[3].is_null()) {
    const std::vector<Json>& top = out.rows.front();
    result.findings.push_back(fmt::format("Furthest: {} ({}), {:.3g} of its norm.", top[0].get<std::string>(),
                                          top[1].get<std::string>(), top[3].get<double>()));
  }
  result.tables.push_back(std::move(out));
  return result;
}

}  // namespace

Analysis parameter_change_analysis() {
  return {"parameter-change", "how far every slice moved from the base, and the path its steps took", true,
          run_parameter_change};
}

}  // namespace circuit
