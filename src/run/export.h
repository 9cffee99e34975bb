// What leaves a run: its model, the change alone, or its adapters.
#pragma once

#include <circuit/api.h>

#include <cstdint>
#include <optional>
#include <string>

#include "model/compute.h"

namespace circuit {

struct ExportRequest {
  std::string run, out;         // folders; out must not exist
  std::optional<int64_t> step;  // none: the best on dev, else the last
  // kModel: a Hugging Face directory; kDelta: the slices that changed, with the base's values of them; kAdapters: as
  // PEFT reads them.
  enum class What { kModel, kDelta, kAdapters } what = What::kModel;
  ComputeSpec compute;
};

struct Exported {
  int64_t step = 0;
  int64_t changed_tensors = 0;  // of a model or a delta
  int64_t slices = 0;           // of a delta
  int64_t parameters = 0;       // of a delta
  int64_t adapters = 0;
};

// Throws Error: no such checkpoint, another base, another process at work on the run, a method that has no such change.
CIRCUIT_API Exported export_run(const ExportRequest& request);

}  // namespace circuit
