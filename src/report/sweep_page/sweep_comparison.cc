#include "report/sweep_page/sweep_comparison.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "core/names.h"
#include "core/setting_name.h"
#include "core/table.h"

namespace circuit {
namespace {

size_t key_index(const Sweep& sweep, const std::string& key, const char* option) {
  const auto found = std::find(sweep.keys.begin(), sweep.keys.end(), key);
  if (found == sweep.keys.end() || key == kReplicateKey) {
    throw UsageError(fmt::format("[{}] {} is no key of the grid that makes conditions. There are: {}.", setting(option),
                                 key, circuit::joined(condition_keys(sweep), [](const std::string& k) { return k; })));
  }
  return static_cast<size_t>(found - sweep.keys.begin());
}

// The runs of one arm at one value of its free keys.
struct Choice {
  std::vector<std::string> free;          // values
  std::map<std::string, double> by_seed;  // the number
  int64_t runs = 0, missing = 0;
};

struct Group {
  std::vector<std::string> fixed;  // values of the keys that are not free
  std::vector<Choice> choices;
};

std::string text_of(const std::vector<std::string>& keys, const std::vector<std::string>& values) {
  std::string text;
  for (size_t i = 0; i < keys.size(); ++i) text += (i == 0 ? "" : ", ") + keys[i] + " = " + values[i];
  return text;
}

double mean_of(const Choice& choice) {
  double sum = 0;
  for (const auto& [seed, value] : choice.by_seed) sum += value;
  return sum / static_cast<double>(choice.by_seed.size());
}

const Choice* best_of(const Group& group, bool lower) {
  const Choice* best = nullptr;
  for (const Choice& c : group.choices) {
    if (c.by_seed.empty()) continue;
    const bool fuller = best != nullptr && c.missing == 0 && best->missing > 0;
    const bool emptier = best != nullptr && c.missing > 0 && best->missing == 0;
    const bool better = best == nullptr || (lower ? mean_of(c) < mean_of(*best) : mean_of(c) > mean_of(*best));
    if (fuller || (better && !emptier)) best = &c;
  }
  return best;
}

std::vector<Group> groups_of(const Sweep& sweep, const std::vector<bool>& is_free, const std::string& number) {
  const auto seed = std::find(sweep.keys.begin(), sweep.keys.end(), kReplicateKey) - sweep.keys.begin();
  std::vector<Group> groups;
  for (const SweepRun& run : sweep.runs) {
    std::vector<std::string> fixed;
    std::vector<std::string> free;
    for (size_t i = 0; i < sweep.keys.size(); ++i) {
      if (sweep.keys[i] != kReplicateKey) (is_free[i] ? free : fixed).push_back(run.values[i]);
    }
    auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& g) { return g.fixed == fixed; });
    if (group == groups.end()) group = groups.insert(groups.end(), {fixed, {}});
    auto& choices = group->choices;
    auto choice = std::find_if(choices.begin(), choices.end(), [&](const Choice& c) { return c.free == free; });
    if (choice == choices.end()) choice = choices.insert(choices.end(), {free, {}, 0, 0});
    ++choice->runs;
    if (run.status != RunStatus::kFinished) continue;
    const auto value = run.after.find(number);
    if (value == run.after.end() || !std::isfinite(value->second)) {
      ++choice->missing;
      continue;
    }
    choice->by_seed[static_cast<size_t>(seed) < run.values.size() ? run.values[seed] : ""] = value->second;
  }
  return groups;
}

// Fills in what the arm is to the baseline.
void hold_against(const Choice& own, const Choice& base, double margin, Arm* arm) {
  std::vector<double> logs;
  for (const auto& [seed, value] : own.by_seed) {
    const auto other = base.by_seed.find(seed);
    if (other != base.by_seed.end() && value > 0 && other->second > 0) logs.push_back(std::log(value / other->second));
  }
  arm->pairs = static_cast<int64_t>(logs.size());
  if (logs.empty()) {
    arm->ratio = std::nan("");
    return;
  }
  const ReplicateMean mean = replicate_mean(logs);
  arm->ratio = std::exp(mean.mean);
  if (!mean.interval) return;
  arm->interval = Interval{std::exp(mean.interval->low), std::exp(mean.interval->high)};
  const int64_t degrees = mean.n - 1;
  const double half = (mean.interval->high - mean.mean) * t_quantile(degrees, 0.90) / t_quantile(degrees, 0.95);
  const double most = std::log1p(margin);
  if (mean.interval->high < -most) {
    arm->verdict = Verdict::kLess;
  } else if (mean.interval->low > most) {
    arm->verdict = Verdict::kMore;
  } else if (mean.mean - half > -most && mean.mean + half < most) {
    arm->verdict = Verdict::kEqual;
  }
}

}  // namespace

const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kLess:
      return "less";
    case Verdict::kEqual:
      return "equal";
    case Verdict::kMore:
      return "more";
    case Verdict::kUnknown:
      return "not known";
  }
  return "";
}

std::vector<Arm> compare_arms(const Sweep& sweep, const ComparisonSpec& spec) {
  if (!(spec.margin > 0))
    throw UsageError(fmt::format("[{}] found {}, expected more than 0.", setting("margin"), spec.margin));
  std::vector<bool> is_free(sweep.keys.size());
  for (const std::string& key : spec.free) is_free[key_index(sweep, key, "free")] = true;
  std::vector<std::string> fixed_keys;
  std::vector<std::string> free_keys;
  for (size_t i = 0; i < sweep.keys.size(); ++i) {
    if (sweep.keys[i] != kReplicateKey) (is_free[i] ? free_keys : fixed_keys).push_back(sweep.keys[i]);
  }
  const size_t equals = spec.baseline.find('=');
  const std::string key = spec.baseline.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : spec.baseline.substr(equals + 1);
  key_index(sweep, key, "baseline");
  const auto place = std::find(fixed_keys.begin(), fixed_keys.end(), key);
  if (place == fixed_keys.end())
    throw UsageError(fmt::format("[{}] {} is free: an arm takes its best value of it.", setting("baseline"), key));
  const auto at = place - fixed_keys.begin();
  const std::vector<Group> groups = groups_of(sweep, is_free, spec.number);
  const auto is_base = [&](const Group& g) { return g.fixed[at] == value; };
  if (std::none_of(groups.begin(), groups.end(), is_base))
    throw UsageError(fmt::format("[{}] no run has {} = '{}'.", setting("baseline"), key, value));
  const bool lower = lower_is_better(spec.number);
  std::vector<Arm> arms;
  for (const bool baselines : {true, false}) {
    for (const Group& group : groups) {
      if (is_base(group) != baselines) continue;
      const Choice* own = best_of(group, lower);
      if (own == nullptr) continue;
      // The baseline that has the arm's other values.
      std::vector<std::string> with_value = group.fixed;
      with_value[at] = value;
      const auto base_group =
          std::find_if(groups.begin(), groups.end(), [&](const Group& g) { return g.fixed == with_value; });
      const Choice* base = base_group == groups.end() ? nullptr : best_of(*base_group, lower);
      Arm arm;
      arm.label = text_of(fixed_keys, group.fixed);
      arm.chosen = text_of(free_keys, own->free);
      std::vector<double> values;
      for (const auto& [seed, number] : own->by_seed) values.push_back(number);
      arm.value = replicate_mean(values);
      arm.runs = own->runs;
      arm.missing = own->missing;
      if (!baselines && base != nullptr) hold_against(*own, *base, spec.margin, &arm);
      arms.push_back(std::move(arm));
    }
  }
  return arms;
}

std::string comparison_table(const std::vector<Arm>& arms, const ComparisonSpec& spec) {
  if (arms.empty()) return "";
  std::vector<std::vector<std::string>> rows{{"arm", "at", spec.number, "without", "of " + spec.baseline, "95 %",
                                              fmt::format("within {:g} %", 100 * spec.margin)}};
  for (const Arm& a : arms) {
    std::string value = fmt::format("{:.4g}", a.value.mean);
    if (a.value.interval) value += fmt::format(" ± {:.2g}", a.value.interval->high - a.value.mean);
    const std::string interval = a.interval ? fmt::format("{:.3f} to {:.3f}", a.interval->low, a.interval->high) : "";
    const bool held = a.pairs > 0;
    rows.push_back({a.label, a.chosen, value, a.missing > 0 ? fmt::format("{} of {}", a.missing, a.runs) : "",
                    held ? fmt::format("{:.3f}", a.ratio) : "", interval, held ? to_string(a.verdict) : ""});
  }
  return format_table(rows) + "\n";
}

Json comparison_json(const std::vector<Arm>& arms, const ComparisonSpec& spec) {
  if (arms.empty()) return nullptr;
  Json list = Json::array();
  for (const Arm& a : arms) {
    Json json = {{"arm", a.label},       {"chosen", a.chosen}, {"mean", a.value.mean}, {"runs", a.runs},
                 {"missing", a.missing}, {"pairs", a.pairs},   {"low", nullptr},       {"high", nullptr},
                 {"ratio", nullptr},     {"verdict", nullptr}};
    if (a.pairs > 0) json.update({{"ratio", a.ratio}, {"verdict", to_string(a.verdict)}});
    if (a.interval) json.update({{"low", a.interval->low}, {"high", a.interval->high}});
    list.push_back(std::move(json));
  }
  return {{"number", spec.number}, {"baseline", spec.baseline}, {"margin", spec.margin}, {"arms", list}};
}

}  // namespace circuit
