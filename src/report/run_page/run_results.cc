#include "report/run_page/run_results.h"

#include <algorithm>
#include <cmath>

#include "report/run_page/charts.h"
#include "report/run_page/overview.h"

namespace circuit {
namespace {

std::optional<double> found_in(const Numbers& numbers, const std::string& name) {
  const auto found = numbers.find(name);
  return found == numbers.end() ? std::nullopt : std::optional(found->second);
}

// Of all parameters: the finished run's own count of those that its best step has changed, else those that were ever
// trained until now.
std::optional<double> touched_share(const RunData& run) {
  const auto counted = run.summary.find("touched_share");
  if (counted != run.summary.end() && counted->is_number()) return counted->get<double>();
  const auto all = run.architecture.find("parameters");
  if (all == run.architecture.end() || !all->is_number_integer() || all->get<int64_t>() <= 0) return std::nullopt;
  if (run.touched_parameters) return static_cast<double>(*run.touched_parameters) / all->get<double>();
  // An adapter's parameters are not the model's.
  const auto method = run.meta.find("method");
  if (run.trainable_parameters.empty() || (method != run.meta.end() && method->second == "lora")) return std::nullopt;
  return run.trainable_parameters.back().value / all->get<double>();
}

bool all_have(const std::vector<RunResult>& runs, const std::string& name) {
  return std::all_of(runs.begin(), runs.end(), [&](const RunResult& r) { return r.after.count(name) > 0; });
}

bool any_has(const std::vector<RunResult>& runs, const std::string& name) {
  return std::any_of(runs.begin(), runs.end(), [&](const RunResult& r) { return r.after.count(name) > 0; });
}

// The first that all runs have, else the first that any has.
std::string first_of(const std::vector<RunResult>& runs, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (all_have(runs, name)) return name;
  }
  for (const std::string& name : names) {
    if (any_has(runs, name)) return name;
  }
  return "";
}

double oriented(const std::string& name, double value) { return lower_is_better(name) ? -value : value; }

// Where all runs began, if they began at the same place.
std::optional<double> base_of(const std::vector<RunResult>& runs, const std::string& name) {
  if (name == kTouchedShare) return 0;
  std::optional<double> base;
  for (const RunResult& run : runs) {
    const std::optional<double> before = found_in(run.before, name);
    if (!before) continue;
    constexpr double kSame = 1e-6;  // relative; evaluations with other batches or threads differ by rounding
    if (base && !(std::abs(*base - *before) <= kSame * std::abs(*base))) return std::nullopt;
    base = before;
  }
  return base;
}

FrontPath path_of(const RunResult& run, const Axes& axes) {
  FrontPath path{run.name, {}};
  for (const auto& [step, values] : run.series) {
    const std::optional<double> target = found_in(values, axes.target), cost = found_in(values, axes.cost);
    if (target && cost && step <= run.step) path.steps.push_back({step, *target, *cost});
  }
  return path;
}

}  // namespace

RunResult result_of(const RunData& run) {
  RunResult result;
  result.name = run.name;
  const auto meta = [&](const char* key) {
    const auto found = run.meta.find(key);
    return found == run.meta.end() ? std::string() : found->second;
  };
  result.method = meta("method");
  result.status = meta("status");
  result.steps = run.steps;
  std::map<int64_t, Numbers> by_step;
  for (const auto& [name, curve] : run.evaluations) {
    for (const Point& point : curve) by_step[static_cast<int64_t>(point.step)][name] = point.value;
  }
  result.series.assign(by_step.begin(), by_step.end());
  if (!by_step.empty()) {
    result.before = by_step.begin()->second;
    const auto best = by_step.find(best_step(run));
    const auto& [step, values] = best == by_step.end() ? *by_step.rbegin() : *best;
    result.step = step;
    result.after = values;
  }
  if (const auto share = touched_share(run)) result.after[kTouchedShare] = *share;
  return result;
}

std::string shown_name(const std::vector<RunResult>& runs, const std::string& measure) {
  return first_of(runs, {"test/" + measure, "dev/" + measure});
}

Axes axes_of(const std::vector<RunResult>& runs) {
  Axes axes;
  axes.target = first_of(
      runs, {"dev/metric", "test/metric", "dev/accuracy", "test/accuracy", "dev/perplexity", "test/perplexity"});
  const bool shares = !all_have(runs, kUntouched) && any_has(runs, kTouchedShare);
  axes.cost = shares ? kTouchedShare : any_has(runs, kUntouched) ? kUntouched : "";
  return axes;
}

FrontChart front_of(const std::vector<RunResult>& runs, const Axes& axes) {
  FrontChart chart{axes.target, axes.cost, title_of(axes.target), title_of(axes.cost), {}, std::nullopt, {}, {}};
  if (axes.target.empty() || axes.cost.empty()) return chart;
  std::vector<ParetoPoint> oriented_points;
  for (const RunResult& run : runs) {
    chart.runs.push_back(run.name);
    const std::optional<double> target = found_in(run.after, axes.target), cost = found_in(run.after, axes.cost);
    if (!target || !cost || !std::isfinite(*target) || !std::isfinite(*cost)) continue;
    chart.points.push_back({run.name, run.name, replicate_mean({*target}), replicate_mean({*cost}), false, 1});
    oriented_points.push_back({oriented(axes.target, *target), oriented(axes.cost, *cost)});
    FrontPath path = path_of(run, axes);
    if (path.steps.size() > 1) chart.paths.push_back(std::move(path));
  }
  const std::vector<bool> front = pareto_front(oriented_points);
  for (size_t i = 0; i < front.size(); ++i) chart.points[i].on_front = front[i];
  const std::optional<double> target = base_of(runs, axes.target), cost = base_of(runs, axes.cost);
  if (target && cost) chart.base = {*target, *cost};
  return chart;
}

std::vector<Undrawn> undrawn(const std::vector<RunResult>& runs, const Axes& axes) {
  std::vector<Undrawn> missing;
  for (const RunResult& run : runs) {
    for (const std::string& name : {axes.target, axes.cost}) {
      if (name.empty()) continue;
      const std::optional<double> value = found_in(run.after, name);
      if (value && std::isfinite(*value)) continue;
      missing.push_back({run.name, name, value});
      break;
    }
  }
  return missing;
}

std::string title_of(const std::string& number) {
  if (number == kTouchedShare) return "parameters touched";
  if (number.empty()) return "";
  const EvaluationName parts = parse_evaluation_name(number);
  return parts.split + " " + parts.measure + (parts.detail.empty() ? "" : " " + parts.detail);
}

}  // namespace circuit
