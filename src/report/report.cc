#include "report/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "core/error.h"
#include "io/files.h"
#include "report/assets.h"
#include "report/chart_spec.h"
#include "report/charts.h"
#include "report/drawing_data.h"
#include "report/html.h"
#include "report/overview.h"
#include "report/run_data.h"
#include "report/text.h"

namespace circuit {
namespace {

// Two folders may have the same own name: the charts need names that differ.
void make_names_differ(std::vector<RunData>& runs) {
  std::map<std::string, int> uses;
  for (RunData& run : runs) {
    const int use = ++uses[run.name];
    if (use > 1) run.name += fmt::format(" ({})", use);
  }
}

std::string charts_html(const std::vector<Chart>& charts) {
  std::string html;
  std::string section;
  for (const Chart& chart : charts) {
    if (chart.section != section) {
      if (!section.empty()) html += "</div></section>\n";
      section = chart.section;
      html += "<section><h2>" + escape_html(section) + "</h2><div class=\"grid\">\n";
    }
    html += "<figure class=\"card\"><figcaption><h3>" + escape_html(chart.title) + "</h3>";
    if (!chart.caption.empty()) html += "<p>" + escape_html(chart.caption) + "</p>";
    html += "</figcaption><div class=\"chart\" id=\"" + escape_html(chart.id) + "\"></div></figure>\n";
  }
  if (!section.empty()) html += "</div></section>\n";
  if (charts.empty())
    html = "<section><p class=\"missing\">No steps, discoveries or evaluations to chart.</p></section>";
  return html;
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

std::string run_html(const RunData& run, bool several_runs) {
  std::string html;
  if (several_runs) html += "<h2>" + escape_html(run.name) + "</h2>";
  return html + overview_html(run) + evaluation_table_html(run);
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

std::string drawing_section_html(const std::vector<RunData>& runs) {
  const bool any =
      std::any_of(runs.begin(), runs.end(), [](const RunData& run) { return !run.frames.empty(); });
  if (any) return "<section id=\"drawing\"></section>";
  return "<section><h2>The circuit</h2><p class=\"missing\">No circuit to draw: no discoveries with node "
         "lists were "
         "recorded.</p></section>";
}

std::string page_title(const std::vector<RunData>& runs) {
  std::string title = runs.front().name;
  for (size_t i = 1; i < runs.size(); ++i) title += (i + 1 == runs.size() ? " and " : ", ") + runs[i].name;
  return title;
}

}  // namespace

std::string render_report(const std::vector<std::string>& run_folders) {
  if (run_folders.empty()) fail("report", "no run given, expected at least one run folder.");
  std::vector<RunData> runs;
  runs.reserve(run_folders.size());
  for (const std::string& folder : run_folders) runs.push_back(read_run(folder));
  make_names_differ(runs);

  const std::vector<Chart> charts = make_charts(runs);
  Json data = {{"charts", Json::array()}, {"drawings", Json::array()}};
  for (const Chart& chart : charts) data["charts"].push_back({{"id", chart.id}, {"spec", chart.spec}});
  std::string overviews, configurations;
  for (const RunData& run : runs) {
    if (!run.frames.empty()) data["drawings"].push_back(drawing_data(run));
    overviews += run_html(run, runs.size() > 1);
    configurations += configuration_html(run);
  }
  return fill_template(page_template(), {{"title", escape_html(page_title(runs))},
                                         {"notices", notices_comment()},
                                         {"style", std::string(page_style())},
                                         {"overviews", overviews},
                                         {"charts", charts_html(charts)},
                                         {"thinning", thinning_html(runs)},
                                         {"drawing", drawing_section_html(runs)},
                                         {"configurations", configurations},
                                         {"data", script_json(data)},
                                         {"bundles", std::string(chart_bundles())},
                                         {"scripts", std::string(page_scripts())}});
}

void write_report(const std::string& run_folder) {
  write_file(run_folder + "/report.html", render_report({run_folder}));
}

}  // namespace circuit
