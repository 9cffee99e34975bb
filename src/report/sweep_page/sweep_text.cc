#include "report/sweep_page/sweep_text.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/table.h"
#include "io/csv.h"

namespace circuit {
namespace {

constexpr const char* kLineEnd = "\r\n";  // as RFC 4180 has it

bool is_by_label(const std::string& name) {
  return name.rfind("dev/accuracy/", 0) == 0 || name.rfind("test/accuracy/", 0) == 0;
}

std::string terse_interval(const ReplicateMean& r) {
  std::string text = fmt::format("{:.4g}", r.mean);
  if (r.interval) text += fmt::format(" ± {:.2g}", r.interval->high - r.mean);
  return text;
}

// The base model's value where all conditions began with the same one.
std::string common_before(const std::vector<Condition>& conditions, const std::string& name) {
  std::string common;
  for (const Condition& c : conditions) {
    const auto found = c.before.find(name);
    if (found == c.before.end()) continue;
    const std::string text = fmt::format("{:.4g}", found->second.mean);
    if (!common.empty() && text != common) return "varies";
    common = text;
  }
  return common;
}

std::string csv_number(const Numbers& numbers, const std::string& name) {
  const auto found = numbers.find(name);
  return found == numbers.end() ? "" : fmt::format("{}", found->second);
}

Json means_json(const std::map<std::string, ReplicateMean>& means) {
  Json all = Json::object();
  for (const auto& [name, r] : means) {
    all[name] = {{"mean", r.mean}, {"n", r.n}, {"low", nullptr}, {"high", nullptr}};
    if (r.interval) all[name].update({{"low", r.interval->low}, {"high", r.interval->high}});
  }
  return all;
}

Json curve_json(const std::vector<CostPoint>& curve) {
  Json points = Json::array();
  for (const CostPoint& p : curve) {
    points.push_back(
        {{"target", p.target}, {"mean", p.cost.mean}, {"n", p.cost.n}, {"low", nullptr}, {"high", nullptr}});
    if (p.cost.interval) points.back().update({{"low", p.cost.interval->low}, {"high", p.cost.interval->high}});
  }
  return points;
}

}  // namespace

std::vector<std::string> main_numbers(const Sweep& sweep) {
  const std::vector<std::string> all = number_names(sweep);
  const auto has = [&](const std::string& name) { return std::find(all.begin(), all.end(), name) != all.end(); };
  std::vector<std::string> names;
  for (const std::string& name : all) {
    const bool asked = name == sweep.target || name == sweep.cost;
    const bool on_test = name.rfind("dev/", 0) == 0 && has("test/" + name.substr(4));
    if (asked || (!is_by_label(name) && !on_test)) names.push_back(name);
  }
  return names;
}

std::string sweep_table(const Sweep& sweep) {
  const std::vector<std::string> names = main_numbers(sweep);
  const std::vector<std::string> keys = condition_keys(sweep);
  const std::vector<Condition> conditions = conditions_of(sweep);
  std::vector<std::vector<std::string>> rows(2);
  if (keys.empty()) {
    rows[0].push_back("");
    rows[1].push_back("before");
  }
  for (const std::string& key : keys) {
    rows[0].push_back(key);
    rows[1].push_back(rows[1].empty() ? "before" : "");
  }
  rows[0].push_back("runs");
  rows[1].push_back("");
  for (const std::string& name : names) {
    rows[0].push_back(name);
    rows[1].push_back(common_before(conditions, name));
  }
  for (const Condition& c : conditions) {
    std::vector<std::string> row = keys.empty() ? std::vector<std::string>{c.label} : c.values;
    if (c.on_front) row[0] += " *";
    row.push_back(c.finished == c.runs ? fmt::format("{}", c.runs) : fmt::format("{} of {}", c.finished, c.runs));
    for (const std::string& name : names) {
      const auto found = c.after.find(name);
      row.push_back(found == c.after.end() ? "-" : terse_interval(found->second));
    }
    rows.push_back(row);
  }
  return format_table(rows);
}

std::string sweep_csv(const Sweep& sweep) {
  const std::vector<std::string> names = number_names(sweep);
  const auto evaluated = [&](const std::string& name) {
    return std::any_of(sweep.runs.begin(), sweep.runs.end(),
                       [&](const SweepRun& run) { return run.before.count(name) > 0; });
  };
  std::vector<std::string> head{"name"};
  head.insert(head.end(), sweep.keys.begin(), sweep.keys.end());
  head.insert(head.end(), {"status", "reason"});
  for (const std::string& name : names) {
    if (evaluated(name)) head.push_back("before " + name);
    head.push_back(name);
  }
  std::string text = csv_line(head, kLineEnd);
  for (const SweepRun& run : sweep.runs) {
    std::vector<std::string> row{run.name};
    row.insert(row.end(), run.values.begin(), run.values.end());
    row.insert(row.end(), {to_string(run.status), run.reason});
    for (const std::string& name : names) {
      if (evaluated(name)) row.push_back(csv_number(run.before, name));
      row.push_back(csv_number(run.after, name));
    }
    text += csv_line(row, kLineEnd);
  }
  return text;
}

Json sweep_json(const Sweep& sweep) {
  const std::vector<std::string> keys = condition_keys(sweep);
  Json json = {{"keys", sweep.keys},
               {"target", sweep.target},
               {"cost", sweep.cost},
               {"interval", "95 % Student t over " + std::string(kReplicateKey)}};
  json["conditions"] = Json::array();
  for (const Condition& c : conditions_of(sweep)) {
    Json values = Json::object();
    for (size_t i = 0; i < keys.size(); ++i) values[keys[i]] = c.values[i];
    json["conditions"].push_back({{"values", values},
                                  {"runs", c.runs},
                                  {"finished", c.finished},
                                  {"on_front", c.on_front},
                                  {"before", means_json(c.before)},
                                  {"after", means_json(c.after)},
                                  {"curve", curve_json(c.curve)}});
  }
  json["runs"] = Json::array();
  for (const SweepRun& run : sweep.runs) {
    Json values = Json::object();
    for (size_t i = 0; i < sweep.keys.size(); ++i) values[sweep.keys[i]] = run.values[i];
    json["runs"].push_back({{"name", run.name},
                            {"values", values},
                            {"status", to_string(run.status)},
                            {"reason", run.reason},
                            {"before", run.before},
                            {"after", run.after}});
  }
  return json;
}

}  // namespace circuit
