// Circuits that a circuit must beat: of as many edges, drawn at random and by scores that look at no gradient.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "evaluation/curve.h"
#include "evaluation/faithfulness.h"
#include "scoring/scorer.h"

namespace circuit {

struct SizedBaseline {
  std::string name;     // "random", or that of a scorer
  int64_t edges = 0;    // how many of its ranking it took
  Circuit run, others;  // what is run of them; all other edges, as run
};

// The shortest start of a ranking whose run has at least `edges` edges. Where its last edge completes a path that
// brings in more, the weakest edges that go alone are taken out again, so that a run has that many wherever pruning
// lets it. ranking: every edge of the graph, strongest first; edges ≥ 1.
SizedBaseline circuit_of_size(const Graph& graph, const std::vector<int64_t>& ranking, int64_t edges, Pruning pruning);

// The circuits whose runs have `edges` edges: `draws` uniform ones, each from its own part of `rng`, then those of
// largest score by `magnitude` and `wanda`. Of `spec` what a scorer takes. Throws as scorers do.
std::vector<SizedBaseline> sized_baselines(const Model& model, const Graph& graph,
                                           const std::vector<const Example*>& examples, const ScoreSpec& spec,
                                           int64_t edges, Pruning pruning, int64_t draws, const Rng& rng);

struct BaselineDraw {
  int64_t edges = 0, edges_run = 0;
  double metric = 0;
  std::optional<double> faithfulness, completeness_gap;
};

// The draws of one kind; of a scorer there is one. Estimates are of the mean over them, with its interval over
// examples; what follows the metric is set only where faithfulness is defined.
struct Baseline {
  std::string name;
  std::vector<BaselineDraw> draws;
  Estimate metric;
  std::optional<Estimate> faithfulness, completeness_gap;
  std::optional<Estimate> difference;  // f(circuit) − f(baseline), paired by example
  std::optional<double> as_faithful;   // share of the draws whose f is at least the circuit's
};

// runs, others: outcomes of each baseline's two circuits; circuit: of the circuit that they are held against.
std::vector<Baseline> judge_baselines(const std::vector<SizedBaseline>& baselines,
                                      const std::vector<CircuitOutcome>& runs,
                                      const std::vector<CircuitOutcome>& others, const CircuitOutcome& circuit,
                                      const CircuitOutcome& full, const CircuitOutcome& empty, bool defined, Rng& rng);

}  // namespace circuit
