#include "dynamics/analysis_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/setting_name.h"
#include "core/table.h"
#include "io/csv.h"
#include "io/files.h"

namespace circuit {
namespace {

std::string cell_text(const Json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_number_float()) return fmt::format("{:.4g}", value.get<double>());
  return value.dump();
}

}  // namespace

std::string analyses_text() {
  std::string text;
  for (const Analysis& a : analyses())
    text += fmt::format("  {:<18} {}{}\n", a.name, a.help, a.needs_models ? " *" : "");
  return text;
}

std::string table_csv(const AnalysisTable& table) {
  std::string text = csv_line(table.columns);
  for (const std::vector<Json>& row : table.rows) {
    std::vector<std::string> cells;
    // As JSON writes a number: the shortest text that reads back as the same.
    for (const Json& cell : row) cells.push_back(cell.is_number() ? cell.dump() : cell_text(cell));
    text += csv_line(cells);
  }
  return text;
}

Json analysis_json(const Analysis& analysis, const AnalysisResult& result) {
  Json json = {{"analysis", analysis.name}, {"findings", result.findings}, {"tables", Json::array()}};
  for (const AnalysisTable& t : result.tables) {
    json["tables"].push_back({{"name", t.name}, {"title", t.title}, {"columns", t.columns}, {"rows", t.rows}});
  }
  return json;
}

void write_analysis(const std::string& folder, const Analysis& analysis, const AnalysisResult& result) {
  write_file(folder + "/" + analysis.name + ".json", analysis_json(analysis, result).dump(1) + "\n");
  for (const AnalysisTable& t : result.tables) write_file(folder + "/" + t.name + ".csv", table_csv(t));
}

std::string analysis_text(const Analysis& analysis, const AnalysisResult& result, int64_t top) {
  std::string text;
  text += fmt::format("{}\n{}\n", analysis.name, std::string(analysis.name.size(), '-'));
  for (const std::string& finding : result.findings) text += fmt::format("{}\n", finding);
  for (const AnalysisTable& t : result.tables) {
    if (t.rows.empty()) continue;
    std::vector<std::vector<std::string>> rows{t.columns};
    const size_t shown = std::min(t.rows.size(), static_cast<size_t>(top));
    for (size_t i = 0; i < shown; ++i) {
      rows.emplace_back();
      for (const Json& cell : t.rows[i]) rows.back().push_back(cell_text(cell));
    }
    text += fmt::format("\n{}\n{}", t.title, format_table(rows));
    if (shown < t.rows.size())
      text += fmt::format("and {} more rows: {} writes all\n", t.rows.size() - shown, setting("out"));
  }
  text += fmt::format("\n");
  return text;
}

}  // namespace circuit
