// The page's charts as Vega-Lite specifications: plain JSON, so they can be tested, and pasted into Altair
// or the Vega editor. https://vega.github.io/vega-lite/docs/
#pragma once

#include <string>
#include <vector>

#include "io/json.h"
#include "report/run_data.h"

namespace circuit {

struct Chart {
  std::string id;       // unique on the page, [a-z0-9-]
  std::string section;  // heading it stands under
  std::string title;
  std::string caption;  // what to see in it, one or two sentences; may be empty
  Json spec;            // Vega-Lite 5; rows of data.values have step, value, series and, with several runs, run
};

// A curve with more points is thinned to this many, keeping each bucket's smallest and largest value.
constexpr size_t kMaxCurvePoints = 2000;
Curve thin(const Curve& curve, size_t limit);

// Every chart the runs have data for, in page order. One run: curves are coloured by series; several: by run,
// and dashed by series.
std::vector<Chart> make_charts(const std::vector<RunData>& runs);

// "dev/accuracy/ are" → {"dev", "accuracy", " are"}.
struct EvaluationName {
  std::string split, measure, detail;
};
EvaluationName parse_evaluation_name(const std::string& name);

}  // namespace circuit
