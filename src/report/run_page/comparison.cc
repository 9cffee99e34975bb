#include "report/run_page/comparison.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "core/error.h"
#include "core/progress.h"
#include "core/table.h"
#include "io/json.h"
#include "store/number_json.h"
#include "store/run_reader.h"

namespace circuit {
namespace {

struct RunRow {
  std::string name;
  std::string method;
  Json summary;
  EvaluationSeries series;
};

RunRow read_row(const std::string& folder) {
  RunReader reader(folder);
  std::map<std::string, std::string> meta = reader.meta();
  if (meta.count("summary") == 0) fail(folder, "the run is not finished. Resume it first.");
  RunRow run;
  run.name = std::filesystem::path(folder).lexically_normal().filename().string();
  run.method = meta["method"];
  run.summary = parse_json(meta["summary"], folder + "/run.db, summary");
  for (const EvaluationRow& row : reader.evaluations()) {
    if (run.series.empty() || run.series.back().first != row.step) run.series.push_back({row.step, {}});
    run.series.back().second[row.name] = row.value;
  }
  return run;
}

double summary_value(const RunRow& run, const char* when, const std::string& name) {
  const Json& values = run.summary.at(when);
  const auto found = values.find(name);
  return found == values.end() ? std::numeric_limits<double>::quiet_NaN() : number_of(*found, name, run.name);
}

// NaN: the run has no such number.
std::string number(double value) { return std::isnan(value) ? "-" : fmt::format("{:.4g}", value); }

}  // namespace

double value_at_level(const EvaluationSeries& series, const std::string& metric, double level,
                      const std::string& value) {
  const auto get = [](const std::map<std::string, double>& values, const std::string& name) {
    const auto found = values.find(name);
    return found == values.end() ? std::numeric_limits<double>::quiet_NaN() : found->second;
  };
  for (size_t i = 0; i < series.size(); ++i) {
    const double here = get(series[i].second, metric);
    if (!(here >= level)) continue;
    const double after = get(series[i].second, value);
    if (i == 0 || here == level) return after;  // an infinite value before it would make 0 × ∞
    const double there = get(series[i - 1].second, metric);
    const double share = (level - there) / (here - there);
    return get(series[i - 1].second, value) * (1 - share) + after * share;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

double common_level(const std::vector<EvaluationSeries>& series, const std::string& metric) {
  double level = std::numeric_limits<double>::infinity();
  for (const EvaluationSeries& each : series) {
    double best = -std::numeric_limits<double>::infinity();
    for (const auto& [step, values] : each) {
      const auto found = values.find(metric);
      if (found != values.end()) best = std::max(best, found->second);  // a NaN is never the larger
    }
    level = std::min(level, best);
  }
  return level;
}

std::string comparison_table(const std::vector<std::string>& run_folders) {
  std::vector<RunRow> runs;
  std::vector<EvaluationSeries> series;
  for (const std::string& folder : run_folders) {
    runs.push_back(read_row(folder));
    series.push_back(runs.back().series);
  }
  const double level = common_level(series, "dev/metric");
  std::vector<std::vector<std::string>> rows(1);
  rows[0].push_back("");
  for (const RunRow& run : runs) rows[0].push_back(run.name + " (" + run.method + ")");
  const auto add = [&](const std::string& title, const auto& cell) {
    std::vector<std::string> row{title};
    for (const RunRow& run : runs) row.push_back(cell(run));
    rows.push_back(row);
  };
  const bool has_test = !std::isnan(summary_value(runs[0], "after", "test/metric"));
  const std::string split = has_test ? "test" : "dev";
  const auto change = [&](const std::string& title, const std::string& name) {
    add(title, [&](const RunRow& run) {
      return number(summary_value(run, "before", name)) + " -> " + number(summary_value(run, "after", name));
    });
  };
  change(split + " metric", split + "/metric");
  change(split + " accuracy", split + "/accuracy");
  for (const auto& [name, value] : runs[0].summary.at("after").items()) {
    const std::string prefix = split + "/accuracy/";
    if (name.rfind(prefix, 0) == 0) change("  " + name.substr(prefix.size()), name);
  }
  change(split + " perplexity", split + "/perplexity");
  change("untouched perplexity", "untouched/perplexity");
  for (const auto& [name, value] : runs[0].summary.at("after").items()) {
    if (name.rfind("ability/", 0) == 0) change(name.substr(8), name);
  }
  if (std::isfinite(level)) {
    add("untouched perplexity at dev metric " + number(level), [&](const RunRow& run) {
      return number(value_at_level(run.series, "dev/metric", level, "untouched/perplexity"));
    });
  }
  add("parameters touched",
      [](const RunRow& run) { return fmt::format("{:.1f} %", 100 * run.summary.at("touched_share").get<double>()); });
  add("best step of steps", [](const RunRow& run) {
    return fmt::format("{} of {}", run.summary.at("best_step").get<int64_t>(), run.summary.at("steps").get<int64_t>());
  });
  add("training time", [](const RunRow& run) { return format_duration(run.summary.at("seconds").get<double>()); });
  return format_table(rows);
}

}  // namespace circuit
