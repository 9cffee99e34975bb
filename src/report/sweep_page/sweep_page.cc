#include "report/sweep_page/sweep_page.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "report/kit/elements.h"
#include "report/kit/page.h"
#include "report/kit/text.h"
#include "report/sweep_page/sweep_charts.h"
#include "report/sweep_page/sweep_text.h"

namespace circuit {
namespace {

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

std::string figure(const std::string& id, const std::string& title, const std::string& caption, bool tall) {
  return card_html({id, "<h3>" + escape_html(title) + "</h3>", caption, "", tall}) + "\n";
}

std::string charts_html(const Sweep& sweep, const Json& scatter, const Json& curves,
                        const std::vector<SweepChart>& keys) {
  std::string html;
  if (!scatter.is_null()) {
    html +=
        "<section><h2>What is gained, and what it costs</h2>" +
        figure("scatter", sweep.target + " against " + sweep.cost,
               "A point a condition, the mean over its seeds with 95 % intervals. On the Pareto front (dashed) are the "
               "conditions than which no other is better in one and at least as good in the other.",
               true) +
        "</section>\n";
  }
  if (!curves.is_null()) {
    html +=
        "<section><h2>On the way</h2>" +
        figure("curves", sweep.cost + " against " + sweep.target,
               "What a condition's runs had cost when the target first got there, on straight lines between a run's "
               "evaluations: the mean over its seeds with the band of its 95 % interval, where all of them have one.",
               true) +
        "</section>\n";
  }
  if (!keys.empty()) {
    html += "<section><h2>By swept key</h2><div class=\"grid\">";
    for (const SweepChart& chart : keys) {
      html += figure(chart.id, chart.title,
                     chart.caption + " Means over the seeds with 95 % intervals; dashed: before tuning.", false);
    }
    html += "</div></section>\n";
  }
  return html;
}

std::string section(const std::string& id, const std::string& title, const std::string& head, const std::string& rows) {
  return "<section><h2>" + title + "</h2>" + table_html({title, "sortable", " id=\"" + id + "\"", head, rows}) +
         "</section>\n";
}

std::string number_cell(const std::map<std::string, ReplicateMean>& numbers, const std::string& name,
                        std::string (*format)(const ReplicateMean&)) {
  const auto found = numbers.find(name);
  if (found == numbers.end()) return cell_html("", "");
  return cell_html(fmt::format("{}", found->second.mean), format(found->second));
}

std::string conditions_html(const Sweep& sweep, const std::vector<Condition>& conditions) {
  const std::vector<std::string> names = number_names(sweep);
  if (names.empty()) return "";
  const auto evaluated = [&](const std::string& name) {
    return std::any_of(conditions.begin(), conditions.end(),
                       [&](const Condition& c) { return c.before.count(name) > 0; });
  };
  std::string head, rows;
  std::vector<std::string> keys = condition_keys(sweep);
  for (const std::string& key : keys.empty() ? std::vector<std::string>{"condition"} : keys) head += sort_heading(key);
  head += sort_heading("front") + sort_heading("runs");
  for (const std::string& name : names) {
    head += (evaluated(name) ? sort_heading(name + " before") : "") + sort_heading(name);
  }
  for (const Condition& c : conditions) {
    rows += c.on_front ? "<tr class=\"marked\">" : "<tr>";
    const std::vector<std::string> values = keys.empty() ? std::vector<std::string>{c.label} : c.values;
    for (size_t i = 0; i < values.size(); ++i) {
      rows += i == 0 ? row_heading(values[i], escape_html(values[i])) : cell_html(values[i], escape_html(values[i]));
    }
    rows += cell_html(c.on_front ? "1" : "0", c.on_front ? "yes" : "") +
            cell_html(std::to_string(c.finished),
                      c.finished == c.runs ? std::to_string(c.runs) : fmt::format("{} of {}", c.finished, c.runs));
    for (const std::string& name : names) {
      if (evaluated(name))
        rows += number_cell(c.before, name, [](const ReplicateMean& r) { return format_value(r.mean); });
      rows += number_cell(c.after, name, with_interval);
    }
    rows += "</tr>\n";
  }
  return section("conditions", "The conditions", head, rows);
}

std::string arms_html(const std::vector<Arm>& arms, const ComparisonSpec& spec) {
  if (arms.empty()) return "";
  std::string head, rows;
  for (const std::string& title :
       {std::string("arm"), std::string("at"), spec.number, std::string("runs without it"), "ratio to " + spec.baseline,
        std::string("95 % interval"), fmt::format("within {:g} %", 100 * spec.margin)}) {
    head += sort_heading(title);
  }
  for (const Arm& a : arms) {
    const bool held = a.pairs > 0;
    rows += (held ? "<tr>" : "<tr class=\"marked\">") + row_heading(a.label, escape_html(a.label)) +
            cell_html(a.chosen, escape_html(a.chosen)) +
            cell_html(fmt::format("{}", a.value.mean), with_interval(a.value)) +
            cell_html(std::to_string(a.missing), a.missing > 0 ? fmt::format("{} of {}", a.missing, a.runs) : "") +
            cell_html(held ? fmt::format("{}", a.ratio) : "", held ? format_value(a.ratio) : "") +
            cell_html("", a.interval
                              ? fmt::format("{} to {}", format_value(a.interval->low), format_value(a.interval->high))
                              : "") +
            cell_html(held ? to_string(a.verdict) : "", held ? to_string(a.verdict) : "") + "</tr>\n";
  }
  return section("arms", "Each at its best, against " + escape_html(spec.baseline), head, rows);
}

std::string runs_html(const Sweep& sweep) {
  const std::vector<std::string> names = main_numbers(sweep);
  std::string head = sort_heading("run"), rows;
  for (const std::string& key : sweep.keys) head += sort_heading(key);
  head += sort_heading("status");
  for (const std::string& name : names) head += sort_heading(name);
  head += sort_heading("reason");
  for (const SweepRun& run : sweep.runs) {
    rows += "<tr>" + row_heading(run.name, escape_html(run.name));
    for (const std::string& value : run.values) rows += cell_html(value, escape_html(value));
    rows += cell_html(to_string(run.status), to_string(run.status));
    for (const std::string& name : names) {
      const auto found = run.after.find(name);
      rows += found == run.after.end() ? cell_html("", "")
                                       : cell_html(fmt::format("{}", found->second), format_value(found->second));
    }
    rows += cell_html(run.reason, escape_html(run.reason)) + "</tr>\n";
  }
  return section("runs", "The runs", head, rows);
}

std::string notes_html(const Sweep& sweep) {
  return fmt::format(
      "<dl><dt>±</dt><dd>half the width of the 95 % interval of Student’s t over the runs of a condition, which differ "
      "in "
      "{} only: mean ± t(n − 1) s / √n. One run has none. It speaks of the seeds, not of the records.</dd>"
      "<dt>before</dt><dd>the base model; other values are of the best step on dev (without dev: the last)</dd>"
      "<dt>front</dt><dd>of {} against {}; for perplexities, nats, divergences, prejudice risk, shares of parameters, "
      "norms, "
      "memory and times lower is better, "
      "for all else higher</dd>"
      "<dt>{}</dt><dd>share of the parameters that the best step has changed</dd>"
      "<dt>{}</dt><dd>largest share of the parameters trained at one step</dd>"
      "<dt>{}</dt><dd>Euclidean norm of the change of all parameters, as an export would hold them</dd>"
      "<dt>{}</dt><dd>training only, evaluations left out</dd>"
      "<dt>{}</dt><dd>bytes that the process held at most while it ran</dd></dl>",
      kReplicateKey, escape_html(sweep.target.empty() ? "nothing" : sweep.target), escape_html(sweep.cost),
      kTouchedShare, kLargestShare, kChangeNorm, kSecondsPerStep, kPeakMemory);
}

}  // namespace

std::string render_sweep(const Sweep& sweep, const std::vector<Arm>& arms, const ComparisonSpec& spec) {
  const std::vector<Condition> conditions = conditions_of(sweep);
  const Json scatter = scatter_spec(sweep, conditions);
  const Json curves = cost_curves_spec(sweep, conditions);
  const std::vector<SweepChart> keys = key_charts(sweep, conditions);
  Json charts = Json::array();
  if (!scatter.is_null()) charts.push_back({{"id", "scatter"}, {"spec", scatter}});
  if (!curves.is_null()) charts.push_back({{"id", "curves"}, {"spec", curves}});
  for (const SweepChart& chart : keys) charts.push_back({{"id", chart.id}, {"spec", chart.spec}});
  const std::string sentences = "<p class=\"overview\">" + counts_sentence(sweep, conditions) +
                                best_sentence(sweep, conditions, sweep.target) +
                                best_sentence(sweep, conditions, sweep.cost) + "</p>";
  const std::string main = lead_section(sentences) + "\n" + charts_html(sweep, scatter, curves, keys) + "\n" +
                           arms_html(arms, spec) + conditions_html(sweep, conditions) + runs_html(sweep) + "\n" +
                           closing_section("How to read it", notes_html(sweep));
  return page_html({"circuit sweep",
                    sweep.name,
                    main,
                    "The charts and sorting need JavaScript; the sentences and the table do not.",
                    "sweep-data",
                    {{"charts", charts}},
                    {"charts.js", "table.js", "sweep.js"}});
}

}  // namespace circuit
