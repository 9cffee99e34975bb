// Pieces that the Vega-Lite specifications of all pages share.
#pragma once

#include <string>

#include "evaluation/t_interval.h"
#include "io/json.h"

namespace circuit {

// Numbers that span more than this factor stand on a logarithmic axis.
constexpr double kLogarithmicSpan = 30;

// A finite mean with the ends of its interval, as fields NAME, NAME_low, NAME_high of the row.
void put_mean(Json& row, const std::string& field, const ReplicateMean& r);

// A quantitative channel whose axis need not start at zero.
Json quantity(const std::string& field, const std::string& title);

// A line of a tooltip; type: "quantitative", "nominal".
Json tip(const std::string& field, const std::string& title, const char* type);

// The layer, of the rows that meet the condition (a Vega expression) only.
Json filtered(Json layer, const std::string& condition);

// Never an axis that leaves open which way is better: the name, with the arrow in words.
std::string axis_title(const std::string& name, bool lower_is_better);

// A legend over the chart, in columns that a telephone's width holds: one in a row is cut off there.
Json top_legend(const Json& names);

// Of marks that belong to no series; readable on light and dark.
constexpr const char* kNeutralColour = "#808890";

// The colours of page.css; more curves than that take a palette of twenty.
constexpr size_t kPageColours = 6;

// A specification as wide as its element. rows: data.values.
Json layered_chart(const std::string& description, int height, const Json& rows, const Json& layers);

}  // namespace circuit
