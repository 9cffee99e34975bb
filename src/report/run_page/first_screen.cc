#include "report/run_page/first_screen.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "report/kit/elements.h"
#include "report/kit/text.h"
#include "report/run_page/overview.h"
#include "report/run_page/run_results.h"

namespace circuit {
namespace {

constexpr const char* kMetric = "dev/metric";
// More runs than this are not named one by one in a sentence.
constexpr size_t kNamed = 4;

bool reads_as_share(const std::string& number) {
  return number == kTouchedShare || number.find("/accuracy") != std::string::npos;
}

std::string shown(const std::string& number, const Numbers& values) {
  const auto found = values.find(number);
  if (found == values.end()) return "–";
  if (!reads_as_share(number) || !std::isfinite(found->second)) return format_value(found->second);
  std::string share = format_percent(found->second);
  const size_t space = share.find(' ');
  if (space != std::string::npos) share.replace(space, 1, "\u00A0");
  return share;
}

std::vector<RunResult> results_of(const std::vector<RunData>& runs) {
  std::vector<RunResult> results;
  for (const RunData& run : runs) results.push_back(result_of(run));
  return results;
}

// Untouched perplexity where the runs are equally good on dev.
struct EqualMetric {
  double level;
  std::vector<double> costs;  // one a run; NaN where it cannot be said
  bool learnt = false;        // some run was not there from the start
};

std::optional<EqualMetric> equal_metric(const std::vector<RunResult>& runs) {
  std::vector<EvaluationSeries> series;
  for (const RunResult& run : runs) series.push_back(run.series);
  EqualMetric equal{common_level(series, kMetric), {}, false};
  if (runs.size() < 2 || !std::isfinite(equal.level)) return std::nullopt;
  bool any = false;
  for (const RunResult& run : runs) {
    equal.costs.push_back(value_at_level(run.series, kMetric, equal.level, kUntouched));
    any = any || !std::isnan(equal.costs.back());
    const auto before = run.before.find(kMetric);
    equal.learnt = equal.learnt || before == run.before.end() || before->second < equal.level;
  }
  return any ? std::optional(equal) : std::nullopt;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == parts.size() ? " and " : ", ") + parts[i];
  }
  return text;
}

std::string equal_sentence(const std::vector<RunResult>& runs, const EqualMetric& equal) {
  std::vector<size_t> order;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (!std::isnan(equal.costs[i])) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return equal.costs[a] < equal.costs[b]; });
  std::vector<std::string> parts;
  const auto part = [&](size_t i) {
    return strong(format_value(equal.costs[i])) + " with " + strong(escape_html(runs[i].name));
  };
  const bool all = order.size() <= kNamed;
  if (all) {
    for (const size_t i : order) parts.push_back(part(i));
  } else {
    parts = {"at the least " + part(order.front()), "at the most " + part(order.back())};
  }
  std::string text = "Where the runs are equally good, at a dev metric of " + format_value(equal.level) +
                     ", perplexity on untouched text is " + joined(parts);
  const auto before = runs[order.front()].before.find(kUntouched);
  if (before != runs[order.front()].before.end()) text += "; before tuning it was " + format_value(before->second);
  return text + ". ";
}

std::string unfinished_sentence(const std::vector<RunResult>& runs) {
  std::vector<std::string> names;
  for (const RunResult& run : runs) {
    if (run.status == "running" || run.status == "stopped") names.push_back(strong(escape_html(run.name)));
  }
  if (names.empty()) return "";
  const bool one = names.size() == 1;
  return (names.size() > kNamed ? format_count(static_cast<int64_t>(names.size())) + " of the runs" : joined(names)) +
         (one ? " has not finished: its numbers are " : " have not finished: their numbers are ") +
         "of the best evaluation so far. ";
}

std::string lead(const std::vector<RunData>& runs, const std::vector<RunResult>& results) {
  if (runs.size() == 1) return overview_html(runs[0]);
  const auto equal = equal_metric(results);
  const std::string text =
      (equal && equal->learnt ? equal_sentence(results, *equal) : "") + unfinished_sentence(results);
  return text.empty() ? "" : "<p class=\"overview\">" + text + "</p>";
}

// Plain text.
std::string caption_of(const std::vector<RunResult>& runs, const FrontChart& chart, const Axes& axes) {
  std::string text;
  if (runs.size() > 1) {
    text = "A point a run, at its best step";
    if (!chart.paths.empty()) text += "; pale, its evaluations on the way there";
    text += ". Dashed: the Pareto front, runs than which no other is better in one and at least as good in the other.";
  } else {
    text = "From before tuning (the cross) to the best step (the disc), evaluation by evaluation.";
  }
  for (const Undrawn& u : undrawn(runs, axes)) {
    text += " Not drawn: " + u.run + ", whose " + title_of(u.number) +
            (u.value ? " is " + format_value(*u.value) : " was not measured") + ".";
  }
  return text;
}

std::string row_html(const std::string& title, const std::vector<std::string>& cells) {
  std::string html = "<tr><th scope=\"row\">" + escape_html(title) + "</th>";
  for (const std::string& cell : cells) html += "<td>" + cell + "</td>";
  return html + "</tr>\n";
}

std::string side_table(const std::vector<std::string>& titles, const std::string& rows) {
  std::string head = "<td></td>";
  for (const std::string& title : titles) head += "<th scope=\"col\">" + escape_html(title) + "</th>";
  return table_html({"The runs side by side", "side", "", head, rows}) + "\n";
}

// The numbers of the table that some run has. A task without a metric is measured by its perplexity.
std::vector<std::string> numbers_shown(const std::vector<RunResult>& runs) {
  const std::string metric = shown_name(runs, "metric");
  std::vector<std::string> names;
  for (const std::string& name : {metric.empty() ? shown_name(runs, "perplexity") : metric,
                                  shown_name(runs, "accuracy"), std::string(kUntouched), std::string(kTouchedShare)}) {
    const bool any = std::any_of(runs.begin(), runs.end(), [&](const RunResult& r) { return r.after.count(name) > 0; });
    if (any) names.push_back(name);
  }
  return names;
}

std::string single_table(const RunResult& run) {
  std::string rows;
  for (const std::string& name : numbers_shown({run})) {
    rows += row_html(title_of(name), {name == kTouchedShare ? "0" : shown(name, run.before), shown(name, run.after)});
  }
  if (rows.empty()) return "";
  return side_table({"before", "step " + format_count(run.step)}, rows);
}

std::string runs_table(const std::vector<RunResult>& runs) {
  std::vector<std::string> head;
  for (const RunResult& run : runs) head.push_back(run.name);
  const auto row = [&](const std::string& title, const std::function<std::string(const RunResult&)>& cell) {
    std::vector<std::string> cells;
    for (const RunResult& run : runs) cells.push_back(cell(run));
    return row_html(title, cells);
  };
  std::string rows = row("method", [](const RunResult& r) { return r.method.empty() ? "–" : escape_html(r.method); });
  const bool all_finished =
      std::all_of(runs.begin(), runs.end(), [](const RunResult& r) { return r.status == "finished"; });
  if (!all_finished)
    rows += row("status", [](const RunResult& r) { return r.status.empty() ? "–" : escape_html(r.status); });
  for (const std::string& name : numbers_shown(runs)) {
    rows += row(title_of(name), [&](const RunResult& r) {
      if (name == kTouchedShare) return shown(name, r.after);
      return shown(name, r.before) + " → " + strong(shown(name, r.after));
    });
  }
  if (const auto equal = equal_metric(runs)) {
    size_t at = 0;
    rows += row("untouched perplexity at dev metric " + format_value(equal->level), [&](const RunResult&) {
      const double cost = equal->costs[at++];
      return std::isnan(cost) ? std::string("–") : strong(format_value(cost));
    });
  }
  rows += row("best step of steps", [](const RunResult& r) {
    return r.series.empty() ? "–" : format_count(r.step) + " of " + format_count(r.steps);
  });
  return side_table(head, rows);
}

}  // namespace

std::optional<Chart> first_picture(const std::vector<RunData>& runs) {
  const std::vector<RunResult> results = results_of(runs);
  const Axes axes = axes_of(results);
  const FrontChart chart = front_of(results, axes);
  if (runs.size() == 1 && chart.paths.empty()) return std::nullopt;  // one point is no picture
  Json spec = front_spec(chart);
  if (spec.is_null()) return std::nullopt;
  return Chart{"first-picture", "", sentence_case(chart.target_title) + " against " + chart.cost_title,
               caption_of(results, chart, axes), std::move(spec)};
}

std::string figure_html(const Chart& chart) {
  const std::string head = "<div class=\"head\"><h3>" + escape_html(chart.title) + "</h3></div>";
  return card_html({chart.id, head, escape_html(chart.caption)}) + "\n";
}

std::string first_screen_html(const std::vector<RunData>& runs, const Chart* picture) {
  const std::vector<RunResult> results = results_of(runs);
  const std::string table = runs.size() == 1 ? single_table(results[0]) : runs_table(results);
  std::string html = lead(runs, results);
  // Many columns need the page's width.
  constexpr size_t kBeside = 3;
  html += runs.size() > kBeside ? "<div class=\"first stacked\">\n" : "<div class=\"first\">\n";
  if (picture != nullptr) html += figure_html(*picture);
  return html + table + "</div>\n";
}

}  // namespace circuit
