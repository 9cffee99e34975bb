#include "evaluation/data_check_text.h"

#include <fmt/format.h>

#include <algorithm>

namespace circuit {
namespace {

Json data_estimate_json(const std::optional<Estimate>& e) {
  if (!e) return nullptr;
  return {{"value", e->value}, {"low", e->interval.low}, {"high", e->interval.high}};
}

std::string estimate_line(const std::string& name, const Estimate& e) {
  return fmt::format("{:<26} {:.4f}  ({:.4f} to {:.4f})\n", name, e.value, e.interval.low, e.interval.high);
}

}  // namespace

Json data_check_json(const DataCheck& c) {
  Json checks = Json::array();
  for (const DataFinding& f : c.findings) {
    checks.push_back({{"check", f.name}, {"passes", f.passes}, {"found", f.found}, {"advice", f.advice}});
  }
  Json by_record = Json::array();
  for (const CheckedRecord& r : c.records) {
    by_record.push_back({{"line", r.line},
                         {"clean", r.clean},
                         {"counterfactual", number_or_null(r.counterfactual)},
                         {"tokens", r.tokens},
                         {"differing", r.differing}});
  }
  return {{"metric", c.metric},
          {"records", c.records.size()},
          {"accuracy", data_estimate_json(c.accuracy)},
          {"clean", data_estimate_json(c.clean)},
          {"counterfactual", data_estimate_json(c.counterfactual)},
          {"difference", data_estimate_json(c.difference)},
          {"lowered", data_estimate_json(c.lowered)},
          {"flipped", data_estimate_json(c.flipped)},
          {"half_width", number_or_null(c.half_width)},
          {"records_needed", c.needed},
          {"without_counterfactual", c.without_counterfactual},
          {"unequal", c.unequal},
          {"unchanged", c.unchanged},
          {"unread", c.unread},
          {"repeated", c.repeated},
          {"share_differing", c.share_differing},
          {"commonest_answers", c.commonest},
          {"checks", checks},
          {"by_record", by_record}};
}

std::string data_check_text(const DataCheck& c) {
  std::string text = fmt::format("{:<26} {}\n", "records", c.records.size());
  text += estimate_line("right", c.accuracy);
  text += estimate_line(c.metric + ", text", c.clean);
  if (c.counterfactual) text += estimate_line(c.metric + ", counterfactual", *c.counterfactual);
  if (c.difference) text += estimate_line("difference", *c.difference);
  for (const DataFinding& f : c.findings) {
    text += fmt::format("{}  {:<15} {}.\n", f.passes ? "pass" : "WARN", f.name, f.found);
    if (!f.advice.empty()) text += fmt::format("{:<22}→ {}.\n", "", f.advice);
  }
  const auto warnings =
      std::count_if(c.findings.begin(), c.findings.end(), [](const DataFinding& f) { return !f.passes; });
  text += warnings == 0 ? "The data can carry a circuit.\n"
                        : fmt::format("{} of {} checks warn.\n", warnings, c.findings.size());
  return text;
}

}  // namespace circuit
