// Graphs and scores as Python reads them.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "graph/graph.h"
#include "io/json.h"

namespace circuit::python {

// {"edges": how many, "upstream", "downstream": names, "visible": writers that each reader sees}
Json graph_json(const Graph& graph);

at::Tensor tensor_of(const std::vector<float>& values);

}  // namespace circuit::python
