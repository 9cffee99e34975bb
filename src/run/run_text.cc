#include "run/run_text.h"

#include <fmt/format.h>

#include <set>
#include <vector>

#include "core/progress.h"
#include "core/table.h"
#include "store/number_json.h"

namespace circuit {
namespace {

std::string number(double value) { return fmt::format("{:.4g}", value); }

}  // namespace

// Before, after and change of every split's value; per-verb accuracies below their split's.
std::string run_text(const RunConfig& config, const RunSummary& s) {
  std::string text;
  std::vector<std::vector<std::string>> rows{{"", "before", "after", "change"}};
  std::set<std::string> names;
  for (const auto& [name, value] : s.before) names.insert(name);
  for (const std::string& name : names) {
    const auto after = s.after.find(name);
    if (after == s.after.end()) continue;
    const double before = s.before.at(name);
    rows.push_back({name, number(before), number(after->second), fmt::format("{:+.4g}", after->second - before)});
  }
  if (rows.size() > 1) text += fmt::format("{}", format_table(rows));
  const auto share = [&](int64_t n) { return 100.0 * static_cast<double>(n) / static_cast<double>(s.all_parameters); };
  text += fmt::format("method {}, best step {} of {}, {} of training\n", config.tuning.method, s.best_step, s.steps,
                      format_duration(s.seconds));
  text += fmt::format("{} of {} parameters touched ({:.1f} %), at most {:.1f} % in one step\n",
                      with_commas(s.touched_parameters), with_commas(s.all_parameters), share(s.touched_parameters),
                      share(s.largest_trainable));
  text += fmt::format("{} of memory at most\n", format_bytes(static_cast<double>(s.peak_memory)));
  if (s.ranks > 1) {
    text += fmt::format(
        "{} ranks; each sent about {} a step to the others\n", s.ranks,
        format_bytes(static_cast<double>(s.sent_bytes) / static_cast<double>(std::max<int64_t>(1, s.steps))));
  }
  text += fmt::format("report: {}/report.html\n", config.run.path);
  return text;
}

Json run_json(const RunConfig& config, const RunSummary& s) {
  Json json{{"run", config.run.path},
            {"method", config.tuning.method},
            {"before", numbers_json(s.before)},
            {"after", numbers_json(s.after)},
            {"steps", s.steps},
            {"best_step", s.best_step},
            {"touched_parameters", s.touched_parameters},
            {"all_parameters", s.all_parameters},
            {"largest_trainable", s.largest_trainable},
            {"seconds", s.seconds},
            {"peak_memory", s.peak_memory},
            {"report", config.run.path + "/report.html"}};
  if (s.ranks > 1) json.update({{"ranks", s.ranks}, {"sent_bytes", s.sent_bytes}});
  return json;
}

std::string dry_run_text(const DryRun& d) {
  std::string text;
  const RunConfig& c = d.config;
  const int64_t per_step = c.tuning.batches.batch * c.tuning.batches.accumulation;
  text += fmt::format("{:<22} {} ({} parameters)\n", "model", c.model.path, with_commas(d.all_parameters));
  text += fmt::format("{:<22} {} training records, longest {} tokens; {} dev, {} test; {} untouched tokens\n", "data",
                      d.records, d.longest, d.dev, d.test, d.untouched);
  text += fmt::format("{:<22} {}: {} steps of {} records ({:.2f} epochs)\n", "plan", c.tuning.method, c.tuning.steps,
                      per_step, static_cast<double>(c.tuning.steps * per_step) / static_cast<double>(d.records));
  if (d.circuit) {
    RunConfig config = c;
    const Settings settings = config.settings();
    const auto value = [&](const char* key) { return plain_value(*settings.find(key)); };
    text += fmt::format("{:<22} {} every {} steps, {} ablation, {} positions, {} {}\n", "discovery",
                        c.discovery.score.method, c.discovery.every, value("discovery.ablation"),
                        value("discovery.positions"), c.selection.kind, c.selection.n);
    text += fmt::format("{:<22} {} edges, {} nodes, metric {:.3f}\n", "first circuit", d.circuit->edges,
                        d.circuit->nodes, d.circuit->metric);
  }
  text += fmt::format("{:<22} {} parts of {} tensors, {} parameters ({:.1f} % of the model's {})\n", "trainable",
                      d.parts, d.tensors, with_commas(d.parameters),
                      100.0 * static_cast<double>(d.parameters) / static_cast<double>(d.all_parameters),
                      with_commas(d.all_parameters));
  text += fmt::format("{:<22} {}\n", "memory", d.memory.text());
  text += fmt::format("{:<22} every {} steps; checkpoints kept: {}\n", "evaluation", c.evaluation.every,
                      c.evaluation.keep == EvaluationSettings::Keep::kAll ? "all" : "best");
  text += fmt::format("nothing was written.\n");
  return text;
}

}  // namespace circuit
