// What a run changed and what it cost, in sentences and in a table. HTML, escaped.
#pragma once

#include <string>
#include <vector>

#include "report/run_page/run_data.h"

namespace circuit {

// The step whose evaluation counts as the run's best: the summary's best_step, else the step with the highest
// dev/metric; −1 without either.
int64_t best_step(const RunData& run);

// One paragraph.
std::string overview_html(const RunData& run);

// Every evaluation: before tuning, at the best step, at the last evaluation.
std::string evaluation_table_html(const RunData& run);

}  // namespace circuit
