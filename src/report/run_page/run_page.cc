#include "report/run_page/run_page.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "io/files.h"
#include "report/kit/page.h"
#include "report/kit/text.h"
#include "report/run_page/chart_spec.h"
#include "report/run_page/charts.h"
#include "report/run_page/circuit_series.h"
#include "report/run_page/first_screen.h"
#include "report/run_page/overview.h"
#include "report/run_page/run_data.h"
#include "report/run_page/series_data.h"

namespace circuit {
namespace {

// 30 MB, less what the circuits' own names and lists take.
constexpr size_t kPageBytes = 29'400'000;
// Of each run, however many stand side by side.
constexpr size_t kLeastCircuitBytes = 1'000'000;

// Two folders may have the same own name: the charts need names that differ.
void make_names_differ(std::vector<RunData>& runs) {
  std::set<std::string> used;
  for (RunData& run : runs) {
    const std::string own = run.name;
    for (int use = 2; !used.insert(run.name).second; ++use) run.name = fmt::format("{} ({})", own, use);
  }
}

// A section with a heading; the charts of one.
std::string section_html(const std::string& section, const std::vector<Chart>& charts) {
  std::string html = "<section><h2>" + escape_html(section) + "</h2><div class=\"grid\">\n";
  for (const Chart& chart : charts) {
    if (chart.section == section) html += figure_html(chart);
  }
  return html + "</div></section>\n";
}

// The sections in their order. The circuit stands after the first of them.
std::vector<std::string> chart_sections(const std::vector<Chart>& charts) {
  std::vector<std::string> names, html;
  for (const Chart& chart : charts) {
    if (chart.section.empty()) continue;  // it stands on the first screen
    if (std::find(names.begin(), names.end(), chart.section) == names.end()) names.push_back(chart.section);
  }
  for (const std::string& name : names) html.push_back(section_html(name, charts));
  if (html.empty()) {
    html.push_back(charts.empty() ? "<section><p class=\"missing\">No steps, discoveries or evaluations to "
                                    "chart.</p></section>"
                                  : "");
  }
  return html;
}

// The first screen's picture first; where there is none, the first of the others is it.
std::vector<Chart> page_charts(const std::vector<RunData>& runs) {
  std::vector<Chart> charts = make_charts(runs);
  if (std::optional<Chart> picture = first_picture(runs)) {
    charts.insert(charts.begin(), std::move(*picture));
  } else if (!charts.empty()) {
    charts.front().section.clear();
  }
  return charts;
}

// What the page leaves out, said where a reader looks for it.
std::string thinning_html(const std::vector<RunData>& runs) {
  size_t longest = 0;
  for (const RunData& run : runs) {
    longest = std::max({longest, run.loss.size(), run.discoveries.size()});
    for (const auto& [name, curve] : run.evaluations) longest = std::max(longest, curve.size());
  }
  if (longest <= kMaxCurvePoints) return "";
  return fmt::format(
      "<p class=\"note\">Curves of more than {} points are thinned to that many; each stretch keeps its "
      "smallest and "
      "largest value, so peaks stay visible. run.db has them all.</p>",
      format_count(kMaxCurvePoints));
}

// Of a single run the first screen has the words.
std::string run_html(const RunData& run, bool several_runs) {
  std::string html;
  if (several_runs) html += "<h2>" + escape_html(run.name) + "</h2>" + overview_html(run);
  const std::string table = evaluation_table_html(run);
  if (table.empty()) return html;
  return html + "<details><summary>Every evaluation of " + escape_html(run.name) + "</summary>" + table +
         "</details>\n";
}

std::string configuration_html(const RunData& run) {
  const auto config = run.meta.find("config");
  std::string facts;
  for (const char* key : {"method", "model", "status", "created", "program_version"}) {
    const auto found = run.meta.find(key);
    if (found == run.meta.end()) continue;
    std::string label = key;
    std::replace(label.begin(), label.end(), '_', ' ');
    facts += "<dt>" + label + "</dt><dd>" + escape_html(found->second) + "</dd>";
  }
  return "<details><summary>Configuration of " + escape_html(run.name) + "</summary><dl>" + facts + "</dl>" +
         (config == run.meta.end() ? "<p class=\"missing\">No configuration was recorded.</p>"
                                   : "<pre><code>" + escape_html(config->second) + "</code></pre>") +
         "</details>\n";
}

std::string explore_html(bool any_circuit) {
  if (any_circuit) return "<section id=\"explore\"></section><section id=\"compare\"></section>";
  return "<section><h2>The circuit</h2><p class=\"missing\">No circuit to draw: no discoveries with node "
         "lists were "
         "recorded.</p></section>";
}

std::string updates_html(const std::vector<RunData>& runs) {
  const bool any = std::any_of(runs.begin(), runs.end(), [](const RunData& run) { return !run.updates.empty(); });
  if (any) return "<section id=\"updates\"></section>";
  return "<section><h2>Where the weights moved</h2><p class=\"missing\">Not recorded: a run's store has the "
         "norms of "
         "updates at steps with a discovery only. <code>circuit diff MODEL EXPORT</code> measures every "
         "node’s change.</p></section>";
}

Json updates_data(const RunData& run) {
  Json nodes = Json::array();
  for (const NodeUpdates& node : run.updates) {
    nodes.push_back({{"node", node.node}, {"path", node.path}, {"steps", node.steps}, {"parameters", node.parameters}});
  }
  return {{"name", run.name}, {"nodes", nodes}, {"steps", run.discoveries.size()}, {"all_steps", run.steps}};
}

std::string main_html(const std::vector<RunData>& runs, const std::vector<Chart>& charts, bool any_circuit) {
  std::string overviews, configurations, rest;
  for (const RunData& run : runs) {
    overviews += run_html(run, runs.size() > 1);
    configurations += configuration_html(run);
  }
  const std::vector<std::string> sections = chart_sections(charts);
  for (size_t i = 1; i < sections.size(); ++i) rest += sections[i];
  return lead_section(first_screen_html(runs, charts.empty() ? nullptr : &charts.front())) + "\n" +
         lead_section(overviews) + "\n" + sections[0] + "\n" + explore_html(any_circuit) + "\n" + rest + "\n" +
         thinning_html(runs) + "\n" + updates_html(runs) + "\n" + closing_section("Configuration", configurations);
}

std::string page_title(const std::vector<RunData>& runs) {
  std::string title = runs.front().name;
  for (size_t i = 1; i < runs.size(); ++i) title += (i + 1 == runs.size() ? " and " : ", ") + runs[i].name;
  return title;
}

}  // namespace

std::string render_report(const std::vector<std::string>& run_folders, const std::string& live) {
  if (run_folders.empty()) fail("report", "no run given, expected at least one run folder.");
  std::vector<RunData> runs;
  runs.reserve(run_folders.size());
  for (const std::string& folder : run_folders) runs.push_back(read_run(folder));
  make_names_differ(runs);

  const std::vector<Chart> charts = page_charts(runs);
  Page page;
  page.kind = "circuit report";
  page.title = page_title(runs);
  page.without_scripts = "The charts and the drawing need JavaScript.";
  page.data_id = "report-data";
  page.scripts = {"charts.js",  "table.js",    "elements.js",       "data_table.js",  "series.js",
                  "layout.js",  "heat_map.js", "circuit_canvas.js", "series_plot.js", "drawing.js",
                  "compare.js", "updates.js",  "explorer.js",       "page.js"};
  page.served_state = live;
  if (!live.empty()) page.scripts.push_back("live.js");
  page.data = {{"charts", Json::array()}, {"circuits", Json::array()}, {"updates", Json::array()}};
  for (const Chart& chart : charts) {
    page.data["charts"].push_back({{"id", chart.id}, {"title", chart.title}, {"spec", chart.spec}});
  }
  for (const RunData& run : runs) {
    if (!run.updates.empty()) page.data["updates"].push_back(updates_data(run));
  }
  page.main = main_html(runs, charts, false);
  // What the rest of the page leaves is the circuits'.
  const size_t rest = page_html(page).size();
  const size_t room = std::max(kLeastCircuitBytes, (kPageBytes - std::min(kPageBytes, rest)) / runs.size());
  Json& circuits = page.data["circuits"];
  for (size_t i = 0; i < runs.size(); ++i) {
    const CircuitSeries series = read_circuit_series(run_folders[i], runs[i], room);
    if (!series.discoveries.empty()) circuits.push_back(series_data(runs[i], series));
  }
  page.main = main_html(runs, charts, !circuits.empty());
  return page_html(page);
}

void write_report(const std::string& run_folder) {
  write_file(run_folder + "/report.html", render_report({run_folder}));
}

}  // namespace circuit
