#include "dynamics/analysis.h"

#include "core/error.h"
#include "core/names.h"

namespace circuit {

const std::vector<Analysis>& analyses() {
#define CIRCUIT_MADE(name) name(),
  static const std::vector<Analysis> list{CIRCUIT_ANALYSES(CIRCUIT_MADE)};
#undef CIRCUIT_MADE
  return list;
}

const RecordedDiscovery& discovery_of(const RecordedRun& run, int64_t step) {
  const RecordedDiscovery* found = &run.discoveries().front();
  for (const RecordedDiscovery& d : run.discoveries()) {
    if (d.step <= step) found = &d;
  }
  return *found;
}

std::vector<const Analysis*> find_analyses(const std::vector<std::string>& names, const std::string& place) {
  std::vector<const Analysis*> found;
  for (const std::string& name : names) found.push_back(&find_named(analyses(), place, name));
  if (!found.empty()) return found;
  for (const Analysis& a : analyses()) found.push_back(&a);
  return found;
}

AnalysisResult run_where_possible(const Analysis& analysis, const AnalysisInput& input) {
  try {
    return analysis.run(input);
  } catch (const Error& error) {
    return {{std::string("Not done: ") + error.what()}, {}};
  }
}

}  // namespace circuit
