#include "run/watch.h"

#include <fmt/format.h>

#include <filesystem>
#include <vector>

#include "core/progress.h"
#include "core/setting_name.h"
#include "core/sparkline.h"
#include "core/table.h"
#include "io/json.h"
#include "run/run_config.h"

namespace circuit {
namespace {

constexpr size_t kNodes = 8;
constexpr size_t kBar = 24;
constexpr size_t kSparkline = 48;

std::string first_line(const std::string& run, const Watched& w) {
  const double share =
      w.total == 0 ? 0 : std::min(1.0, static_cast<double>(w.view.steps) / static_cast<double>(w.total));
  const auto filled = static_cast<size_t>(share * kBar);
  std::string line = std::filesystem::absolute(run + "/.").lexically_normal().parent_path().filename().string();
  line += fmt::format("  {}  {}{} {}/{}", w.view.method, std::string(filled, '#'), std::string(kBar - filled, '.'),
                      w.view.steps, w.total);
  if (!w.running()) return line + "  " + w.view.status;
  if (w.view.steps > 0) line += "  ETA " + format_duration(w.seconds_left());
  return line;
}

std::string overlap_text(const RunView::Discovery& d) {
  if (!d.jaccard_previous || !d.jaccard_first) return "";
  return fmt::format("; Jaccard {:.2f} with the last, {:.2f} with the first", *d.jaccard_previous, *d.jaccard_first);
}

// "dev/accuracy/ are": too many for a terminal; --json has them.
bool is_of_one_label(const std::string& name) {
  return name.find("/accuracy/") != std::string::npos && name.rfind("ability/", 0) != 0;
}

}  // namespace

Watched watch_run(const std::string& run) {
  Watched w;
  w.view = read_run_view(run, kNodes);
  RunConfig config;
  parse_config(w.view.config, run + "/run.db, meta config", config.settings());
  w.total = config.tuning.steps;
  w.metric = config.discovery.score.metric;
  return w;
}

Json watched_json(const std::string& run, const Watched& w) {
  const RunView& v = w.view;
  Json evaluations = Json::object();
  for (const auto& [name, e] : v.evaluations) {
    evaluations[name] = {{"base", number_or_null(e.base)}, {"last", number_or_null(e.last)}, {"step", e.step}};
  }
  Json nodes = Json::array();
  for (const RunView::Node& n : v.nodes) nodes.push_back({{"node", n.name}, {"first", n.first}, {"now", n.now}});
  Json discovery = nullptr;
  if (v.discovery) {
    const RunView::Discovery& d = *v.discovery;
    discovery = {{"step", d.step},
                 {"edges", d.edges},
                 {"nodes", d.nodes},
                 {"entered", d.entered},
                 {"left", d.left},
                 {"metric", number_or_null(v.metrics.back())},
                 {"jaccard_edges_previous", number_or_null(d.jaccard_previous)},
                 {"jaccard_edges_first", number_or_null(d.jaccard_first)}};
  }
  return {{"run", run},
          {"method", v.method},
          {"status", v.status},
          {"steps", v.steps},
          {"total_steps", w.total},
          {"seconds_per_step", number_or_null(v.step_seconds)},
          {"seconds_left", w.running() ? number_or_null(w.seconds_left()) : Json(nullptr)},
          {"seconds_since_write", number_or_null(v.idle_seconds)},
          {"loss", v.losses.empty() ? Json(nullptr) : number_or_null(v.losses.back())},
          {"trainable_share", number_or_null(w.trainable_share())},
          {"discovery", discovery},
          {"evaluations", evaluations},
          {"strongest_nodes", nodes}};
}

std::string watched_text(const std::string& run, const Watched& w) {
  const RunView& v = w.view;
  std::string text = first_line(run, w) + "\n";
  if (w.silent()) {
    text += fmt::format("no new step for {}. If it was killed: circuit tune {} {}\n", format_duration(v.idle_seconds),
                        setting("resume"), run);
  }
  std::vector<std::vector<std::string>> curves;
  if (!v.losses.empty())
    curves.push_back({"loss", fmt::format("{:.4f}", v.losses.back()), sparkline(v.losses, kSparkline)});
  if (!v.metrics.empty()) {
    curves.push_back({w.metric, fmt::format("{:+.4f}", v.metrics.back()), sparkline(v.metrics, kSparkline)});
  }
  for (auto& row : curves) text += fmt::format("{:<12}{:>10}  {}\n", row[0], row[1], row[2]);
  if (v.steps > 0) {
    text += fmt::format("{:<12}{:>10}  of {} parameters\n", "trainable",
                        fmt::format("{:.1f} %", 100 * w.trainable_share()), with_commas(v.parameters));
  }
  if (v.discovery) {
    const RunView::Discovery& d = *v.discovery;
    text += fmt::format("{:<12}{:>10}  edges, {} nodes at step {}; {} entered, {} left{}\n", "circuit",
                        with_commas(d.edges), d.nodes, d.step, d.entered, d.left, overlap_text(d));
  }
  if (!v.nodes.empty()) {
    std::vector<std::vector<std::string>> rows{{"strongest nodes", "first", "now"}};
    for (const RunView::Node& n : v.nodes) {
      rows.push_back({n.name, fmt::format("{:.3g}", n.first), fmt::format("{:.3g}", n.now)});
    }
    text += "\n" + format_table(rows);
  }
  if (!v.evaluations.empty()) {
    std::vector<std::vector<std::string>> rows{{"evaluated", "base", "last", "at step"}};
    for (const auto& [name, e] : v.evaluations) {
      if (is_of_one_label(name)) continue;
      rows.push_back(
          {name, e.base ? fmt::format("{:.4g}", *e.base) : "", fmt::format("{:.4g}", e.last), std::to_string(e.step)});
    }
    text += "\n" + format_table(rows);
  }
  return text;
}

}  // namespace circuit
