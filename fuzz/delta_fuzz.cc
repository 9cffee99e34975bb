// Any bytes as a delta file: refused with an Error, or value and base of every slice have the region's extent.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "fuzz/scratch.h"
#include "fuzz/verdict.h"
#include "tuning/delta_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const circuit::FuzzFolder folder;
  const std::string path =
      folder.write("delta.safetensors", std::string_view(reinterpret_cast<const char*>(data), size));
  bool accepted = false;
  try {
    for (const circuit::DeltaSlice& slice : circuit::read_delta(path).slices) {
      if (slice.value.sizes() != slice.base.sizes()) __builtin_trap();
      if (slice.value.size(slice.region.dim) != slice.region.end - slice.region.start) __builtin_trap();
    }
    accepted = true;
  } catch (const circuit::Error&) {
  }
  return circuit::fuzz_verdict(accepted);
}
