#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/setting_options.h"
#include "cli/validators.h"
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

int run(const AnalyseArguments& o) {
  apply_common(o.common);
  const std::vector<const Analysis*> chosen = find_analyses(o.only, "--only");
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
    const AnalysisInput input{recorded, states.get(), o.common.seed};
    results.emplace_back(analysis, o.only.empty() ? run_where_possible(*analysis, input) : analysis->run(input));
    progress.update(static_cast<int64_t>(results.size()));
  }
  progress.clear();
  for (const auto& [analysis, result] : results) {
    all.push_back(analysis_json(*analysis, result));
    if (!o.common.json) fmt::print("{}", analysis_text(*analysis, result, o.top));
    if (!o.out.empty()) write_analysis(o.out, *analysis, result);
  }
  if (o.common.json) fmt::print("{}\n", all.dump(1));
  return 0;
}

}  // namespace

void add_analyse(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<AnalyseArguments>();
  CLI::App* command = program.add_subcommand("analyse", "how a run's circuit changed as it learned");
  command->footer(
      "Analyses (* loads the base model and the run's checkpoints; the others read run.db alone):\n" + analyses_text() +
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
