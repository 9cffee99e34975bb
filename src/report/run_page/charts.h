// Which charts the page has, and what is in them.
#pragma once

#include <string>
#include <vector>

#include "io/json.h"
#include "report/run_page/run_data.h"

namespace circuit {

struct Chart {
  std::string id;       // unique on the page, [a-z0-9-]
  std::string section;  // heading it stands under
  std::string title;
  std::string caption;  // what to see in it, one or two sentences; may be empty
  Json spec;            // chart_spec.h
};

// Every chart the runs have data for, in page order.
std::vector<Chart> make_charts(const std::vector<RunData>& runs);

// "dev/accuracy/ are" → {"dev", "accuracy", " are"}.
struct EvaluationName {
  std::string split, measure, detail;
};
EvaluationName parse_evaluation_name(const std::string& name);

}  // namespace circuit
