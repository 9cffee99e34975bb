// From the scores of one discovery to what the next steps train (method.md §5): the selector, and what steadies,
// widens or bounds its choice.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/rng.h"
#include "selection/selector.h"
#include "tuning/slice_choice.h"

namespace circuit {

enum class SizeSchedule { kConstant, kLinear, kGeometric };

struct PolicySettings {
  SizeSchedule size = SizeSchedule::kConstant;  // of N, from selection.n at step 0 …
  int64_t n_final = 0;                          // … to this one at the last step
  int64_t leave_rank = 0;          // an edge of the last circuit stays while it is among so many strongest; 0: off
  double extra_random = 0;         // r: share of the nodes outside the circuit trained too, drawn at every discovery
  std::string extra_outside;       // a run: the r nodes are drawn once, outside its last circuit; empty: see above
  std::string slices = "circuit";  // which are trained, of slice_choices()
  Parameters own;                  // of those
  std::vector<std::string> always, never;  // node names, * for any characters: trained in any case; never, nor edges

  void declare(Settings* settings);
};

struct PolicySpec : PolicySettings {
  Selector selector;
  SelectionSpec selection;
  enum class Train { kCircuit, kComplement } train = Train::kCircuit;  // the circuit's slices, or all but those
  std::shared_ptr<const SliceChoice> choice;                           // null: the circuit's
  std::optional<CircuitNodes> outside;                                 // of extra_outside: the nodes that are not drawn
  bool once = false;     // the first circuit stays (methods fixed and random)
  int64_t steps = 0;     // of the run
  uint64_t seed = 0;     // of what is drawn once
  double smoothing = 0;  // α: selection sees S̄ ← α S̄ + (1 − α) S, S̄ = S at first
};

struct Choice {
  Circuit circuit;
  std::vector<int64_t> slices;  // ids, ascending
};

// What it remembers from one discovery to the next.
struct PolicyState {
  std::vector<float> smoothed;  // S̄ in edge order; empty: off, or before the first discovery
  std::vector<int64_t> edges;   // of the last circuit; kept for leave_rank only
};

class CircuitPolicy {
 public:
  // Throws UsageError naming a pattern that no node has, or a setting out of its range.
  CircuitPolicy(const Graph& graph, const SliceTable& table, PolicySpec spec);

  bool reads_gradients() const { return spec_.choice != nullptr && spec_.choice->reads_gradients(); }
  bool reads_general() const { return spec_.choice != nullptr && spec_.choice->reads_general(); }
  // rng: of this discovery; evidence: where it reads it. Throws what the selector throws.
  Choice choose(int64_t step, const EdgeScores& scores, Rng& rng, const SliceEvidence& evidence = {});

  int64_t n_at(int64_t step) const;
  const PolicyState& state() const { return state_; }
  void restore(PolicyState state) { state_ = std::move(state); }

 private:
  EdgeScores smoothed(const EdgeScores& scores);
  void keep_steady(const EdgeScores& scores, const SelectionSpec& spec, Circuit* circuit) const;
  void widen(Rng& rng, CircuitNodes* nodes) const;
  // Share extra_random of the nodes outside `inside`, added to `nodes`.
  void add_random(const CircuitNodes& inside, Rng& rng, CircuitNodes* nodes) const;

  const Graph& graph_;
  const SliceTable& table_;
  PolicySpec spec_;
  CircuitNodes always_, never_;
  PolicyState state_;
};

// Whether a name matches a pattern, in which * stands for any characters.
bool matches(const std::string& pattern, const std::string& name);

}  // namespace circuit
