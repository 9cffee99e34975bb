// One line chart as a Vega-Lite specification: plain JSON, so it can be tested, and pasted into Altair or the
// Vega editor. https://vega.github.io/vega-lite/docs/
#pragma once

#include <string>
#include <vector>

#include "io/json.h"
#include "report/run_page/run_data.h"

namespace circuit {

struct Series {
  std::string run;
  std::string name;
  Curve curve;
};

enum class Scale { kNumber, kShare };    // a share is shown in per cent
enum class Marks { kLine, kNoisyLine };  // noisy: the curve pale, a moving mean over it

struct LineChart {
  std::string id, section, title, caption, unit;
  Scale scale = Scale::kNumber;
  Marks marks = Marks::kLine;
  std::vector<Series> series = {};
};

// The specification (Vega-Lite 5). Rows of data.values have step, value, series, with
// several runs run, and in a noisy line mean.
// One run: curves are coloured by series; several: by run, and dashed by series. `runs`: the names of all runs of the
// page, so that a run has one colour in every chart, whichever have a curve in this one.
Json line_chart_spec(const LineChart& chart, const std::vector<std::string>& runs);

// A curve with more points is thinned to this many, keeping each bucket's smallest and largest value.
constexpr size_t kMaxCurvePoints = 2000;
Curve thin(const Curve& curve, size_t limit);

// At each point the mean of it and up to `half` points on either side.
Curve moving_mean(const Curve& curve, size_t half);

}  // namespace circuit
