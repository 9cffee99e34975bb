// A sweep's results as a table for the terminal, as CSV and as JSON.
#pragma once

#include <string>

#include "io/json.h"
#include "report/sweep_page/sweep_table.h"

namespace circuit {

// One row a condition, the first the base model: "mean ± half width of the 95 % t interval", * at conditions on the
// front. Without accuracies by label, and without dev values where test has them.
std::string sweep_table(const Sweep& sweep);

// One row a run, in RFC 4180: name, a column a key, status, reason, then each number, evaluations with "before NAME"
// and "NAME"; numbers not measured are empty. Shortest digits that read back as the same double.
std::string sweep_csv(const Sweep& sweep);

// {"keys", "target", "cost", "conditions": [{"values", "runs", "finished", "on_front", "before", "after": {name:
// {"mean", "low", "high", "n"}}}], "runs": [{"name", "values", "status", "reason", "before", "after"}]}.
Json sweep_json(const Sweep& sweep);

// Names as tables show them; per-label accuracies and dev beside test left out.
std::vector<std::string> main_numbers(const Sweep& sweep);

}  // namespace circuit
