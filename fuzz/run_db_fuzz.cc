// Any bytes as a run.db: refused with an Error, or every circuit and score belongs to the run's graph.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "fuzz/scratch.h"
#include "fuzz/verdict.h"
#include "store/recorded_run.h"
#include "store/run_view.h"

namespace {

void read(const std::string& folder) {
  circuit::RecordedRun run(folder);
  const int64_t edges = run.graph().n_edges();
  for (const circuit::RecordedDiscovery& discovery : run.discoveries()) {
    for (const int64_t id : discovery.circuit.edges) {
      if (id < 0 || id >= edges) __builtin_trap();
    }
  }
  const circuit::ScoreSeries& scores = run.scores(int64_t{1} << 24);
  if (static_cast<int64_t>(scores.values.size()) != scores.points() * scores.edges) __builtin_trap();
  run.slice_paths();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const circuit::FuzzFolder folder;
  folder.write("run.db", std::string_view(reinterpret_cast<const char*>(data), size));
  bool accepted = false;
  try {
    read(folder.path());
    accepted = true;
  } catch (const circuit::Error&) {
  }
  try {
    circuit::read_run_view(folder.path(), 10);
  } catch (const circuit::Error&) {
  }
  return circuit::fuzz_verdict(accepted);
}
