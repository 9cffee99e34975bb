#include "task/importers/importer_text.h"

#include <algorithm>

#include "core/error.h"
#include "core/table.h"

namespace circuit {

void check_imported(const ImportReport& report, const std::string& path) {
  if (report.records > 0) return;
  const auto fewer = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto most = std::max_element(report.refused.begin(), report.refused.end(), fewer);
  fail(path, "none of {} rows became a record: {}. See docs/tasks.md for the format.", report.rows,
       most == report.refused.end() ? "it has none" : most->first);
}

Json import_report_json(const ImportReport& report, const Importer& importer) {
  return {{"format", importer.name},   {"rows", report.rows},     {"records", report.records},
          {"refused", report.refused}, {"counts", report.counts}, {"bos", importer.begin_token}};
}

std::string import_report_text(const ImportReport& report, const Importer& importer) {
  std::vector<std::vector<std::string>> rows{{importer.name, ""}};
  const auto add = [&](const std::string& name, int64_t count) { rows.push_back({"  " + name, with_commas(count)}); };
  add("rows", report.rows);
  add("records", report.records);
  for (const auto& [reason, count] : report.refused) add("refused: " + reason, count);
  for (const auto& [what, count] : report.counts) add(what, count);
  rows.push_back({"  data.bos", importer.begin_token});
  std::string text = format_table(rows);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string import_formats_text() {
  std::string text = "FORMAT and FILE:\n";
  for (const Importer& importer : importers()) {
    text += fmt::format("  {:<14}{}\n  {:<14}→ {}\n", importer.name, importer.files, "", importer.what);
  }
  return text;
}

}  // namespace circuit
