#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/setting_options.h"
#include "cli/validators.h"
#include "core/error.h"
#include "core/names.h"
#include "core/progress.h"
#include "dynamics/analysis_text.h"
#include "io/files.h"
#include "run/run_states.h"

namespace circuit {
namespace {

struct AnalyseArguments {
  CommonOptions common;
  std::string run, out;
  std::vector<std::string> only;
  StatesSpec states;
  int64_t top = 10;
};

std::vector<const Analysis*> chosen_analyses(const std::vector<std::string>& names) {
  std::vector<const Analysis*> chosen;
  for (const std::string& name : names) chosen.push_back(&find_named(analyses(), "--only", name));
  if (!chosen.empty()) return chosen;
  for (const Analysis& a : analyses()) chosen.push_back(&a);
  return chosen;
}

int run(const AnalyseArguments& o) {
  apply_common(o.common);
  const std::vector<const Analysis*> chosen = chosen_analyses(o.only);
  if (!o.out.empty()) make_directories(o.out);
  RecordedRun recorded(o.run);
  std::unique_ptr<RunStates> states;
  const bool models = std::any_of(chosen.begin(), chosen.end(), [](const Analysis* a) { return a->needs_models; });
  if (models) states = std::make_unique<RunStates>(o.run, o.common, o.states);
  Json all = Json::array();
  std::vector<std::pair<const Analysis*, AnalysisResult>> results;
  Progress progress("analyse", static_cast<int64_t>(chosen.size()));
  for (const Analysis* analysis : chosen) {
    // Where all were asked for, one that this run has not enough for says so and the others go on.
    try {
      results.emplace_back(analysis, analysis->run({recorded, states.get(), o.common.seed}));
    } catch (const Error& error) {
      if (!o.only.empty()) throw;
      results.emplace_back(analysis, AnalysisResult{{std::string("Not done: ") + error.what()}, {}});
    }
    progress.update(static_cast<int64_t>(results.size()));
  }
  progress.clear();
  for (const auto& [analysis, result] : results) {
    all.push_back(analysis_json(*analysis, result));
    if (!o.common.json) fmt::print("{}", analysis_text(*analysis, result, o.top));
    if (o.out.empty()) continue;
    write_file(o.out + "/" + analysis->name + ".json", all.back().dump(1) + "\n");
    for (const AnalysisTable& t : result.tables) write_file(o.out + "/" + t.name + ".csv", table_csv(t));
  }
  if (o.common.json) fmt::print("{}\n", all.dump(1));
  return 0;
}

}  // namespace

void add_analyse(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<AnalyseArguments>();
  CLI::App* command = program.add_subcommand("analyse", "how a run's circuit changed as it learned");
  std::string help = "Analyses (* loads the base model and the run's checkpoints; the others read run.db alone):\n";
  for (const Analysis& a : analyses())
    help += fmt::format("  {:<18} {}{}\n", a.name, a.help, a.needs_models ? " *" : "");
  command->footer(
      help +
      "evaluation.keep = \"all\" keeps every checkpoint, so that the starred ones see the way and not its ends only.\n"
      "Examples:\n  circuit analyse runs/circuit\n"
      "  circuit analyse runs/circuit --only trends,core-circuit --top 30\n"
      "  circuit analyse runs/circuit --only faithfulness --records 100 --out analysis");
  command->add_option("RUN", o->run, "run directory")->required();
  command->add_option("--only", o->only, names_of(analyses()))->delimiter(',');
  Settings states;
  o->states.declare(&states);
  add_settings(*command, states);
  command->add_option("--top", o->top, "rows of a table that are printed")->capture_default_str()->check(at_least(1));
  command->add_option("-o,--out", o->out, "folder for every table as CSV and every analysis as JSON");
  add_common(*command, &o->common, chosen, [o] { return run(*o); });
}

}  // namespace circuit
