#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "cli/circuit_quality.h"
#include "cli/command.h"
#include "cli/outputs.h"
#include "cli/run.h"
#include "cli/run_inputs.h"
#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/table.h"
#include "io/files.h"
#include "io/number_json.h"

namespace circuit {
namespace {

struct Options {
  CommonOptions common;
  std::string config;
  std::string resume;
  std::vector<std::string> set;
  bool dry_run = false;
  bool help_config = false;
  bool paranoid = false;
};

std::string number(double value) { return fmt::format("{:.4g}", value); }

// Before, after and change of every split's value; per-verb accuracies below their split's.
void print_summary(const TuneConfig& config, const RunSummary& s) {
  std::vector<std::vector<std::string>> rows{{"", "before", "after", "change"}};
  std::set<std::string> names;
  for (const auto& [name, value] : s.before) names.insert(name);
  for (const std::string& name : names) {
    const auto after = s.after.find(name);
    if (after == s.after.end()) continue;
    const double before = s.before.at(name);
    rows.push_back({name, number(before), number(after->second), fmt::format("{:+.4g}", after->second - before)});
  }
  if (rows.size() > 1) fmt::print("{}", format_table(rows));
  const auto share = [&](int64_t n) { return 100.0 * static_cast<double>(n) / static_cast<double>(s.all_parameters); };
  fmt::print("method {}, best step {} of {}, {} of training\n", config.tuning_method, s.best_step, s.steps,
             format_duration(s.seconds));
  fmt::print("{} of {} parameters touched ({:.1f} %), at most {:.1f} % in one step\n",
             with_commas(s.touched_parameters), with_commas(s.all_parameters), share(s.touched_parameters),
             share(s.largest_trainable));
  fmt::print("report: {}/report.html\n", config.run_path);
}

void print_json(const TuneConfig& config, const RunSummary& s) {
  const Json json = {{"run", config.run_path},
                     {"method", config.tuning_method},
                     {"before", numbers_json(s.before)},
                     {"after", numbers_json(s.after)},
                     {"steps", s.steps},
                     {"best_step", s.best_step},
                     {"touched_parameters", s.touched_parameters},
                     {"all_parameters", s.all_parameters},
                     {"largest_trainable", s.largest_trainable},
                     {"seconds", s.seconds},
                     {"report", config.run_path + "/report.html"}};
  fmt::print("{}\n", json.dump(1));
}

// Catches the first discovery of a dry run and stops before any update.
class Peek : public TuneObserver {
 public:
  Peek(const TuneModel& model, const ParameterStore& store) : model_(model), store_(store) {}
  void on_discovery(const DiscoveryEvent& event) override {
    fmt::print("{:<22} {} edges, {} nodes, metric {:.3f}\n", "first circuit", event.circuit.edges.size(),
               nodes_of(model_.graph, event.circuit).count(), event.metric);
    print_parameters();
  }
  void print_parameters() const {
    std::set<std::string> tensors;
    for (const int64_t id : store_.current()) tensors.insert(store_.table()[id].tensor);
    const int64_t all = model_.open.model.parameter_count();
    const int64_t trained = store_.current_parameters();
    fmt::print("{:<22} {} parts of {} tensors, {} parameters ({:.1f} % of the model's {})\n", "trainable",
               store_.current().size(), tensors.size(), with_commas(trained),
               100.0 * static_cast<double>(trained) / static_cast<double>(all), with_commas(all));
  }
  void on_step(const StepEvent&) override {}
  bool after_updates(int64_t) override { return true; }

 private:
  const TuneModel& model_;
  const ParameterStore& store_;
};

void dry_run(TuneConfig config, const Options& o) {
  if (config.model_init != "pretrained") {
    fail("--dry-run",
         "model.init = random makes the weights it would look at. Run it, or set model.init = pretrained.");
  }
  TuneModel model(config, o.common);
  const TuneData data(config, model.open);
  check_quality_records(config, data, model.open.model.architecture());
  const auto records = static_cast<int64_t>(data.train.examples.size());
  const int64_t per_step = config.tuning_batch * config.tuning_accumulation;
  fmt::print("{:<22} {} ({} parameters)\n", "model", config.model_path,
             with_commas(model.open.model.parameter_count()));
  fmt::print("{:<22} {} training records, longest {} tokens; {} dev, {} test; {} untouched tokens\n", "data", records,
             longest_record(data.train), data.dev ? data.dev->examples.size() : 0,
             data.test ? data.test->examples.size() : 0, data.untouched.ids.size());
  fmt::print("{:<22} {}: {} steps of {} records ({:.2f} epochs)\n", "plan", config.tuning_method, config.tuning_steps,
             per_step, static_cast<double>(config.tuning_steps * per_step) / static_cast<double>(records));
  std::optional<FirstCircuit> first;
  if (needs_first_circuit(config)) first = find_first_circuit(config, model, data);
  if (first) config = matched(config, model, *first);
  const std::unique_ptr<ParameterStore> store =
      make_store(config, model, config.lora_circuit ? &first->circuit : nullptr);
  Peek peek(model, *store);
  if (discovers(config)) {
    fmt::print("{:<22} {} every {} steps, {} ablation, {} positions, {} {}\n", "discovery", config.discovery_method,
               config.discovery_every, config.discovery_ablation, config.discovery_positions, config.selection_kind,
               config.selection_n);
    // One real discovery; the step that follows moves nothing, since its learning rate is zero.
    TuneConfig still = config;
    still.optimizer_lr = 0;
    still.tuning_steps = 1;
    make_trainer(still, model, data, *store)->run(0, peek);
  } else {
    if (config.tuning_method == "full") dynamic_cast<SliceStore&>(*store).select_all();
    peek.print_parameters();
  }
  const TuneMemory memory = tune_memory(config, model, data, store->current_parameters());
  fmt::print("{:<22} {}\n", "memory", memory.text());
  if (memory.total() > memory_limit(o.common)) {
    log_warning("this is more than the {} at hand: {}", format_bytes(static_cast<double>(memory_limit(o.common))),
                kMemoryAdvice);
  }
  fmt::print("{:<22} every {} steps; checkpoints kept: {}\n", "evaluation", config.evaluation_every,
             config.evaluation_keep);
  fmt::print("nothing was written.\n");
}

TuneConfig resumed_config(const Options& o) {
  TuneConfig config = read_run_config(o.resume);
  for (const std::string& assignment : o.set) {
    const std::string key = assignment.substr(0, assignment.find('='));
    if (!is_free_on_resume(key)) {
      fail("--resume",
           "{} would change the result of a run that has begun; only evaluation.keep may change. Start a new run.",
           key);
    }
    set_config(assignment, config.fields());
  }
  config.run_path = o.resume;
  while (config.run_path.size() > 1 && config.run_path.back() == '/') config.run_path.pop_back();
  return config;
}

TuneConfig fresh_config(const Options& o) {
  TuneConfig config;
  read_config(o.config, config.fields());
  for (const std::string& assignment : o.set) set_config(assignment, config.fields());
  check_config(config, o.config);
  if (!o.dry_run && file_exists(config.run_path)) {
    fail(config.run_path, "already exists. Go on with: circuit tune --resume {0} — or choose another run.path.",
         config.run_path);
  }
  if (!o.dry_run) check_new_folder("run.path", config.run_path);
  return config;
}

int run(const Options& o) {
  if (o.help_config) {
    TuneConfig defaults;
    fmt::print("{}", help_config(defaults.fields()));
    return 0;
  }
  if (o.common.seed != 0) throw UsageError("[--seed] a run's seed is its tuning.seed: use --set tuning.seed=N.");
  if (o.config.empty() == o.resume.empty())
    throw UsageError("[tune] give CONFIG.toml or --resume RUN. See circuit tune --help.");
  apply_common(o.common);
  const TuneConfig config = o.resume.empty() ? fresh_config(o) : resumed_config(o);
  if (o.dry_run) {
    dry_run(config, o);
    return 0;
  }
  const RunSummary summary = execute_run(config, o.common, o.paranoid ? Checks::kParanoid : Checks::kUsual);
  if (summary.interrupted) {
    fail(config.run_path, "stopped after step {}. Go on with: circuit tune --resume {}", summary.steps,
         config.run_path);
  }
  if (o.common.json) {
    print_json(config, summary);
  } else {
    print_summary(config, summary);
  }
  return 0;
}

}  // namespace

void add_tune(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("tune", "circuit-tuning, or a baseline, into a run directory");
  command->footer(
      "Examples:\n"
      "  circuit tune examples/agreement/circuit.toml --dry-run\n"
      "  circuit tune examples/agreement/circuit.toml --set selection.n=200 --set run.path=runs/n200\n"
      "  circuit tune --resume runs/n200");
  command->add_option("CONFIG", o->config, "configuration (TOML)");
  command->add_option("--set", o->set, "key=value, over the configuration; may stand several times")
      ->allow_extra_args(false);
  command->add_option("--resume", o->resume, "run directory to go on with");
  command->add_flag("--dry-run", o->dry_run,
                    "print the plan, the first circuit's slices and the memory; write nothing");
  command->add_flag("--paranoid", o->paranoid, "first check a slice's gradient against differences of the loss");
  command->add_flag("--help-config", o->help_config, "print every key with its default and meaning");
  add_common(*command, &o->common);
  command->callback([o, chosen] { *chosen = [o] { return run(*o); }; });
}

}  // namespace circuit
