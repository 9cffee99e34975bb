// Any bytes as a circuit file, in either form: refused with an Error, or scores and circuit belong to its graph.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "fuzz/verdict.h"
#include "graph/circuit_file_forms.h"

namespace {

void check(const circuit::CircuitFile& file) {
  const int64_t edges = file.shape.graph().n_edges();
  if (static_cast<int64_t>(file.scores.values.size()) != edges) __builtin_trap();
  for (const int64_t id : file.circuit.edges) {
    if (id < 0 || id >= edges) __builtin_trap();
  }
  for (const float score : file.scores.values) {
    if (!std::isfinite(score)) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  bool accepted = false;
  for (const auto parse : {circuit::parse_circuit_json, circuit::parse_circuit_compact}) {
    try {
      check(parse(bytes, "fuzz"));
      accepted = true;
    } catch (const circuit::Error&) {
    }
  }
  return circuit::fuzz_verdict(accepted);
}
