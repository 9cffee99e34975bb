// How fast a circuit is replaced: the share of its edges that are in later circuits.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/spread.h"
#include "dynamics/analysis.h"
#include "dynamics/survival.h"

namespace circuit {
namespace {

constexpr size_t kLags = 60;

AnalysisResult run_half_life(const AnalysisInput& input) {
  const std::vector<RecordedDiscovery>& d = input.run.discoveries();
  if (d.size() < 2) fail("half-life", "the run has one discovery: there is nothing to compare it with.");
  std::vector<Circuit> circuits;
  double chance = 0;
  for (const RecordedDiscovery& each : d) {
    circuits.push_back(each.circuit);
    chance += static_cast<double>(each.circuit.edges.size()) /
              static_cast<double>(input.run.graph().n_edges() * static_cast<int64_t>(d.size()));
  }
  const double gap =
      static_cast<double>(d.back().step - d.front().step) / static_cast<double>(d.size() - 1);  // steps, on average
  AnalysisTable table{"retention",
                      "share of a circuit's edges that are in the circuit so much later",
                      {"discoveries_later", "steps_later", "share", "by_chance"},
                      {}};
  std::vector<int64_t> lags;
  std::vector<double> shares;
  for (const size_t lag : spread_indices(d.size(), kLags)) {
    lags.push_back(static_cast<int64_t>(lag));
    shares.push_back(retention(circuits, lags.back()));
    table.rows.push_back({lags.back(), gap * static_cast<double>(lag), number_or_null(shares.back()), chance});
  }
  const std::optional<double> half = half_life(lags, shares);
  const Stays s = stays(circuits);
  AnalysisResult result;
  if (half) {
    result.findings.push_back(
        fmt::format("Half of a circuit's edges are gone after {:.1f} discoveries ({:.0f} steps).", *half, *half * gap));
  } else {
    result.findings.push_back(
        fmt::format("A circuit never loses half of its edges: after {} discoveries {:.0f} % are there.", lags.back(),
                    100 * shares.back()));
  }
  result.findings.push_back(fmt::format("Of random circuits {:.1f} % would be there.", 100 * chance));
  result.findings.push_back(
      s.median
          ? fmt::format("An edge stays {:.0f} discoveries without a break (median; {} stays, {} cut off by the run's "
                        "end, Kaplan-Meier).",
                        *s.median, s.count, s.censored)
          : fmt::format("More than half of {} stays outlast the run.", s.count));
  result.tables.push_back(std::move(table));
  return result;
}

}  // namespace

Analysis half_life_analysis() { return {"half-life", "how long edges stay in the circuit", false, run_half_life}; }

}  // namespace circuit
