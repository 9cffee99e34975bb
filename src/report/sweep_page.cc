#include "report/sweep_page.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "report/assets.h"
#include "report/html.h"
#include "report/sweep_charts.h"
#include "report/sweep_text.h"
#include "report/text.h"

namespace circuit {
namespace {

std::string strong(const std::string& text) { return "<strong>" + text + "</strong>"; }

std::string with_interval(const ReplicateMean& r) {
  std::string text = format_value(r.mean);
  if (r.interval) text += " ± " + format_value(r.interval->high - r.mean);
  return text;
}

int64_t count_of(const Sweep& sweep, RunStatus status) {
  return std::count_if(sweep.runs.begin(), sweep.runs.end(), [&](const SweepRun& r) { return r.status == status; });
}

std::string counts_sentence(const Sweep& sweep, const std::vector<Condition>& conditions) {
  std::string text = fmt::format("{} of {} runs finished, in {} condition{}. ",
                                 strong(std::to_string(count_of(sweep, RunStatus::kFinished))), sweep.runs.size(),
                                 conditions.size(), conditions.size() == 1 ? "" : "s");
  const int64_t failed = count_of(sweep, RunStatus::kFailed);
  if (failed > 0) text += fmt::format("{} failed; the table of runs says why. ", strong(std::to_string(failed)));
  return text;
}

const Condition* best_of(const std::vector<Condition>& conditions, const std::string& name) {
  const Condition* best = nullptr;
  double value = 0;
  for (const Condition& c : conditions) {
    const auto found = c.after.find(name);
    if (found == c.after.end()) continue;
    const double gain = lower_is_better(name) ? -found->second.mean : found->second.mean;
    if (best == nullptr || gain > value) {
      best = &c;
      value = gain;
    }
  }
  return best;
}

std::string best_sentence(const Sweep& sweep, const std::vector<Condition>& conditions, const std::string& name) {
  const Condition* best = best_of(conditions, name);
  if (best == nullptr || name.empty()) return "";
  std::string text = fmt::format("The best {} is {}, with {}", escape_html(name),
                                 strong(with_interval(best->after.at(name))), escape_html(best->label));
  const auto before = best->before.find(name);
  if (before != best->before.end()) text += fmt::format("; it was {} before", format_value(before->second.mean));
  return text + (sweep.target == name ? ". " : ".");
}

std::string figure(const std::string& id, const std::string& title, const std::string& caption, const char* size) {
  return fmt::format(
      "<figure class=\"card\"><figcaption><h3>{}</h3><p>{}</p></figcaption><div class=\"chart{}\" "
      "id=\"{}\"></div></figure>\n",
      escape_html(title), caption, size, id);
}

std::string charts_html(const Sweep& sweep, const Json& scatter, const std::vector<SweepChart>& keys) {
  std::string html;
  if (!scatter.is_null()) {
    html +=
        "<section><h2>What is gained, and what it costs</h2>" +
        figure("scatter", sweep.target + " against " + sweep.cost,
               "A point a condition, the mean over its seeds with 95 % intervals. On the Pareto front (dashed) are the "
               "conditions than which no other is better in one and at least as good in the other.",
               " tall") +
        "</section>\n";
  }
  if (!keys.empty()) {
    html += "<section><h2>By swept key</h2><div class=\"grid\">";
    for (const SweepChart& chart : keys) {
      html += figure(chart.id, chart.title,
                     chart.caption + " Means over the seeds with 95 % intervals; dashed: before tuning.", "");
    }
    html += "</div></section>\n";
  }
  return html;
}

std::string heading(const std::string& text) {
  return "<th scope=\"col\"><button type=\"button\">" + escape_html(text) + "</button></th>";
}

std::string cell(const char* tag, const std::string& value, const std::string& shown) {
  return fmt::format("<{0} data-value=\"{1}\">{2}</{3}>", tag, escape_html(value), shown,
                     std::string(tag).substr(0, 2));
}

std::string open_table(const char* id, const char* title) {
  return fmt::format(
      "<section><h2>{0}</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\"><table "
      "class=\"numbers sortable\" id=\"{1}\"><thead><tr>",
      title, id);
}
constexpr const char* kCloseTable = "</tbody></table></div></section>\n";

std::string number_cell(const std::map<std::string, ReplicateMean>& numbers, const std::string& name,
                        std::string (*format)(const ReplicateMean&)) {
  const auto found = numbers.find(name);
  if (found == numbers.end()) return cell("td", "", "");
  return cell("td", fmt::format("{}", found->second.mean), format(found->second));
}

std::string conditions_html(const Sweep& sweep, const std::vector<Condition>& conditions) {
  const std::vector<std::string> names = number_names(sweep);
  if (names.empty()) return "";
  const auto evaluated = [&](const std::string& name) {
    return std::any_of(conditions.begin(), conditions.end(),
                       [&](const Condition& c) { return c.before.count(name) > 0; });
  };
  std::string html = open_table("conditions", "The conditions");
  std::vector<std::string> keys = condition_keys(sweep);
  for (const std::string& key : keys.empty() ? std::vector<std::string>{"condition"} : keys) html += heading(key);
  html += heading("front") + heading("runs");
  for (const std::string& name : names) html += (evaluated(name) ? heading(name + " before") : "") + heading(name);
  html += "</tr></thead><tbody>\n";
  for (const Condition& c : conditions) {
    html += c.on_front ? "<tr class=\"marked\">" : "<tr>";
    const std::vector<std::string> values = keys.empty() ? std::vector<std::string>{c.label} : c.values;
    for (size_t i = 0; i < values.size(); ++i) {
      html += cell(i == 0 ? "th scope=\"row\"" : "td", values[i], escape_html(values[i]));
    }
    html += cell("td", c.on_front ? "1" : "0", c.on_front ? "yes" : "") +
            cell("td", std::to_string(c.finished),
                 c.finished == c.runs ? std::to_string(c.runs) : fmt::format("{} of {}", c.finished, c.runs));
    for (const std::string& name : names) {
      if (evaluated(name))
        html += number_cell(c.before, name, [](const ReplicateMean& r) { return format_value(r.mean); });
      html += number_cell(c.after, name, with_interval);
    }
    html += "</tr>\n";
  }
  return html + kCloseTable;
}

std::string runs_html(const Sweep& sweep) {
  std::string html = open_table("runs", "The runs");
  html += heading("run");
  for (const std::string& key : sweep.keys) html += heading(key);
  const std::vector<std::string> names = main_numbers(sweep);
  html += heading("status");
  for (const std::string& name : names) html += heading(name);
  html += heading("reason") + "</tr></thead><tbody>\n";
  for (const SweepRun& run : sweep.runs) {
    html += "<tr>" + cell("th scope=\"row\"", run.name, escape_html(run.name));
    for (const std::string& value : run.values) html += cell("td", value, escape_html(value));
    html += cell("td", to_string(run.status), to_string(run.status));
    for (const std::string& name : names) {
      const auto found = run.after.find(name);
      html += found == run.after.end() ? cell("td", "", "")
                                       : cell("td", fmt::format("{}", found->second), format_value(found->second));
    }
    html += cell("td", run.reason, escape_html(run.reason)) + "</tr>\n";
  }
  return html + kCloseTable;
}

std::string notes_html(const Sweep& sweep) {
  return fmt::format(
      "<dl><dt>±</dt><dd>half the width of the 95 % interval of Student’s t over the runs of a condition, which differ "
      "in "
      "{} only: mean ± t(n − 1) s / √n. One run has none. It speaks of the seeds, not of the records.</dd>"
      "<dt>before</dt><dd>the base model; other values are of the best step on dev (without dev: the last)</dd>"
      "<dt>front</dt><dd>of {} against {}; for perplexities, nats, prejudice risk, shares of parameters, norms and "
      "times lower is better, "
      "for all else higher</dd>"
      "<dt>{}</dt><dd>share of the parameters that the best step has changed</dd>"
      "<dt>{}</dt><dd>largest share of the parameters trained at one step</dd>"
      "<dt>{}</dt><dd>Euclidean norm of the change of all parameters, as an export would hold them</dd>"
      "<dt>{}</dt><dd>training only, evaluations left out</dd></dl>",
      kReplicateKey, escape_html(sweep.target.empty() ? "nothing" : sweep.target), escape_html(sweep.cost),
      kTouchedShare, kLargestShare, kChangeNorm, kSecondsPerStep);
}

}  // namespace

std::string render_sweep(const Sweep& sweep) {
  const std::vector<Condition> conditions = conditions_of(sweep);
  const Json scatter = scatter_spec(sweep, conditions);
  const std::vector<SweepChart> keys = key_charts(sweep, conditions);
  Json charts = Json::array();
  if (!scatter.is_null()) charts.push_back({{"id", "scatter"}, {"spec", scatter}});
  for (const SweepChart& chart : keys) charts.push_back({{"id", chart.id}, {"spec", chart.spec}});
  const std::string sentences = "<p class=\"overview\">" + counts_sentence(sweep, conditions) +
                                best_sentence(sweep, conditions, sweep.target) +
                                best_sentence(sweep, conditions, sweep.cost) + "</p>";
  return fill_template(sweep_template(), {{"title", escape_html(sweep.name)},
                                          {"notices", notices_comment()},
                                          {"style", std::string(page_style())},
                                          {"sentences", sentences},
                                          {"charts", charts_html(sweep, scatter, keys)},
                                          {"table", conditions_html(sweep, conditions) + runs_html(sweep)},
                                          {"notes", notes_html(sweep)},
                                          {"data", script_json({{"charts", charts}})},
                                          {"bundles", std::string(chart_bundles())},
                                          {"scripts", std::string(sweep_scripts())}});
}

}  // namespace circuit
