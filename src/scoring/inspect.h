// What a model is, and what it takes to work with it.
#pragma once

#include <circuit/api.h>

#include <cstdint>
#include <string>

#include "io/json.h"
#include "model/compute.h"

namespace circuit {

struct Inspected {
  Architecture architecture;
  std::string stored;  // dtype of its matrices
  int64_t parameters = 0;
  int64_t upstream = 0, downstream = 0, edges = 0, edges_ungrouped = 0;
  int64_t batch = 0, length = 0;                 // of the memory estimate
  int64_t forward = 0, discover = 0, train = 0;  // bytes
};

// Loading checks every tensor's presence and shape without reading its pages. Throws Error naming the tensor.
CIRCUIT_API Inspected inspect(const std::string& model, int64_t batch, int64_t length, const ComputeSpec& compute);

Json inspected_json(const Inspected& inspected);
std::string inspected_text(const Inspected& inspected);

}  // namespace circuit
