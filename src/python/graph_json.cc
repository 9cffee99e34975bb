#include "python/graph_json.h"

#include <ATen/ops/empty.h>

#include <algorithm>

namespace circuit::python {

Json graph_json(const Graph& graph) {
  Json upstream = Json::array();
  Json downstream = Json::array();
  Json visible = Json::array();
  for (int64_t u = 0; u < graph.n_upstream(); ++u) upstream.push_back(graph.upstream_name(u));
  for (int64_t v = 0; v < graph.n_downstream(); ++v) {
    downstream.push_back(graph.downstream_name(v));
    visible.push_back(graph.visible(v));
  }
  return {{"edges", graph.n_edges()}, {"upstream", upstream}, {"downstream", downstream}, {"visible", visible}};
}

at::Tensor tensor_of(const std::vector<float>& values) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(values.size())}, at::kFloat);
  std::copy(values.begin(), values.end(), tensor.data_ptr<float>());
  return tensor;
}

}  // namespace circuit::python
