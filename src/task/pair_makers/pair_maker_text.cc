#include "task/pair_makers/pair_maker_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/table.h"

namespace circuit {

void check_made(const PairReport& report, const std::string& path) {
  if (report.records > 0) return;
  const auto fewer = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto most = std::max_element(report.refused.begin(), report.refused.end(), fewer);
  fail(path, "no pair was made of {} lines: {}. See docs/pairs.md for the rules.", report.lines,
       most == report.refused.end() ? "it has none" : most->first);
}

Json pair_report_json(const PairReport& report, const PairMaker& maker) {
  return {{"kind", maker.name},
          {"lines", report.lines},
          {"records", report.records},
          {"refused", report.refused},
          {"counts", report.counts}};
}

std::string pair_report_text(const PairReport& report, const PairMaker& maker) {
  std::vector<std::vector<std::string>> rows{{maker.name, ""}};
  const auto add = [&](const std::string& name, int64_t count) { rows.push_back({"  " + name, with_commas(count)}); };
  add("lines", report.lines);
  add("records", report.records);
  for (const auto& [reason, count] : report.refused) add("refused: " + reason, count);
  for (const auto& [what, count] : report.counts) add(what, count);
  std::string text = format_table(rows);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string pair_kinds_text() {
  std::string text = "KIND and FILE:\n";
  for (const PairMaker& maker : pair_makers()) {
    text += fmt::format("  {:<14}{}\n  {:<14}→ {}\n", maker.name, maker.input, "", maker.what);
  }
  return text;
}

}  // namespace circuit
