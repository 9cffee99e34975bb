// What the page opens with: a sentence or two, one picture of gain against cost, and one small table. HTML, escaped.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "report/run_page/charts.h"
#include "report/run_page/run_data.h"

namespace circuit {

// Metric against cost (front_chart.h). None where a single run has no course of both, or no run has both numbers.
std::optional<Chart> first_picture(const std::vector<RunData>& runs);

// picture: first_picture, or another chart that is to stand there; may be null.
std::string first_screen_html(const std::vector<RunData>& runs, const Chart* picture);

// A chart in its card: the page's script draws it there.
std::string figure_html(const Chart& chart);

}  // namespace circuit
