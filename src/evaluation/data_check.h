// Whether a data set can carry a circuit: does the model do what the records ask, do their counterfactuals take it
// away, and are they enough for the interval.
#pragma once

#include <circuit/api.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "evaluation/bootstrap.h"
#include "scoring/scored_records.h"
#include "task/open_model.h"

namespace circuit {

struct DataCheckRequest {
  std::string model, data;  // directory, contrast records
  RecordOptions records;
  std::string metric = "logit_diff";  // one that is above zero where the model is right
  int64_t batch = 16;
  uint64_t seed = 0;  // of the bootstrap
  ComputeSpec compute;
};

// A record, and what the model does on it.
struct CheckedRecord {
  int64_t line = 0;                      // of the file
  double clean = 0;                      // metric of the text
  std::optional<double> counterfactual;  // the same readouts on the counterfactual; none: it has no such, or of another
                                         // length
  int64_t tokens = 0;
  std::vector<int64_t> differing;  // positions whose tokens differ, begin token included
  bool is_read = false;            // one of them stands before a readout
  bool is_repeated = false;        // an earlier record is the same

  bool is_right() const { return clean > 0; }
  bool flips() const { return counterfactual && is_right() && *counterfactual < 0; }
};

// One question that was asked of the data.
struct DataFinding {
  std::string name;  // "accuracy", "pairs", …
  bool passes = true;
  std::string found;   // what was found, and what it means
  std::string advice;  // what to do; empty where it passes
};

struct DataCheck {
  std::string metric;
  std::vector<CheckedRecord> records;
  int64_t readouts = 0;  // of all records
  // Over records; those with `counterfactual` for the last four, absent where there is none.
  Estimate accuracy;  // share that the model is right on
  Estimate clean;
  std::optional<Estimate> counterfactual, difference, lowered, flipped;
  int64_t without_counterfactual = 0, unequal = 0;  // records without one, with one of another length
  int64_t unchanged = 0, unread = 0, repeated = 0;  // nothing differs; nothing that is read; an earlier one is the same
  double share_differing = 0;                       // tokens that differ, mean over pairs
  double commonest = 0;                             // share of readouts with the answers that most have
  std::optional<double> half_width;                 // of the difference's interval, in units of the difference
  int64_t needed = 0;                               // records for kHalfWidth; 0: not known
  std::vector<DataFinding> findings;
};

// The half-width of the metric difference's interval that is narrow enough, in units of the difference.
constexpr double kHalfWidth = 0.1;

// Throws Error naming a record that cannot be read, or lacks an answer; UsageError for a metric whose sign says
// nothing.
CIRCUIT_API DataCheck check_data(const DataCheckRequest& request);
// On a model that is open already; the request's own is only a name.
CIRCUIT_API DataCheck check_data(const DataCheckRequest& request, const OpenModel& open);

// Which records are kept: "right", that the model is right on; "flips", that it also is wrong on with the
// counterfactual.
const std::vector<std::string>& kept_records();
// Those lines of the file that was checked, as they stand there. Throws Error where there is none.
std::string kept_lines(const DataCheckRequest& request, const DataCheck& check, const std::string& keep);

}  // namespace circuit
