// The smallest circuit that carries a given share of the behaviour on records
// that its scores have not seen. A loop over selection and evaluation, which know nothing of each other.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/settings.h"
#include "evaluation/bootstrap.h"
#include "evaluation/size_search.h"
#include "scoring/scored_records.h"
#include "selection/selector.h"

namespace circuit {

// Of a run whose selection.kind is faithfulness, which this adds to the selectors.
struct TargetSettings {
  double faithfulness = 0.9;
  int64_t records = 64;  // dev records that it is judged on

  void declare(Settings* settings);
};

struct TargetOptions {
  std::optional<double> faithfulness;  // none: the size is given
  std::string held_out;                // records; empty: the second half of the data
};

// The records that scores come from, and those that the circuit is judged on.
struct TargetRecords {
  std::vector<const Example*> scored, held_out;
  std::unique_ptr<ScoredRecords> file;  // where the held-out ones come from a file of their own
  std::string name;                     // of the held-out ones, for people
};

// Without a target all records are scored. Says on stderr which are which. Throws Error for data of one
// record that should be halved.
TargetRecords target_records(const TargetOptions& target, const std::string& data_name, const ScoredRecords& data,
                             const OpenModel& open, const RecordOptions& options, const ScoreSpec& spec);

struct TargetFound {
  double target = 0;
  SizeFound size;         // edges selected
  Estimate faithfulness;  // of that circuit, pruned, on the held-out records
  int64_t edges_run = 0;
  int64_t examples = 0;  // held out
  std::string held_out;  // their name
};

// Sizes are those of `selector`, which must take `n` strongest edges. Throws Error when no circuit reaches
// the target, with the best that was found, and when m(full) − m(∅) may be 0.
TargetFound find_target(const Model& model, const SelectionInput& input, const Selector& selector,
                        SelectionSpec selection, const TargetOptions& target, const TargetRecords& records,
                        const ScoreSpec& spec, Rng& rng);

// The smallest circuit of `selector` that reaches `target` on the held-out examples, or where none does, the best that
// was found, which is said on stderr. Throws Error when m(full) − m(∅) may be 0.
Circuit circuit_reaching(const Model& model, const SelectionInput& input, const Selector& selector,
                         SelectionSpec selection, double target, const std::vector<const Example*>& held_out,
                         const ScoreSpec& spec, Rng& rng);

// UsageError for a selection that has no size to search over.
void check_target(const TargetOptions& target, const std::string& selection);

}  // namespace circuit
