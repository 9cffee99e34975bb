#include "report/kit/chart_parts.h"

#include <cmath>

namespace circuit {

void put_mean(Json& row, const std::string& field, const ReplicateMean& r) {
  row[field] = r.mean;
  if (!r.interval || !std::isfinite(r.interval->low) || !std::isfinite(r.interval->high)) return;
  row[field + "_low"] = r.interval->low;
  row[field + "_high"] = r.interval->high;
}

Json quantity(const std::string& field, const std::string& title) {
  return {{"field", field}, {"type", "quantitative"}, {"title", title}, {"scale", {{"zero", false}}}};
}

Json tip(const std::string& field, const std::string& title, const char* type) {
  Json made = {{"field", field}, {"type", type}, {"title", title}};
  if (std::string(type) == "quantitative") made["format"] = ".4~r";
  return made;
}

Json filtered(Json layer, const std::string& condition) {
  layer["transform"] = Json::array({{{"filter", condition}}});
  return layer;
}

std::string axis_title(const std::string& name, bool lower_is_better) {
  return name + (lower_is_better ? " (lower is better)" : "");
}

Json top_legend(const Json& names) {
  size_t longest = 0;
  for (const Json& name : names) longest = std::max(longest, name.get_ref<const std::string&>().size());
  constexpr size_t kShort = 8;
  return {{"orient", "top"}, {"columns", longest <= kShort ? 4 : 2}, {"values", names}};
}

Json layered_chart(const std::string& description, int height, const Json& rows, const Json& layers) {
  return {{"$schema", "https://vega.github.io/schema/vega-lite/v5.json"},
          {"description", description},
          {"width", "container"},
          {"height", height},
          {"data", {{"values", rows}}},
          {"layer", layers}};
}

}  // namespace circuit
