#include "cli/run.h"

#include <cmath>
#include <csignal>
#include <ctime>
#include <filesystem>

#include "cli/circuit_quality.h"
#include "cli/run_inputs.h"
#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "dynamics/recorded_circuit.h"
#include "evaluation/ability.h"
#include "io/files.h"
#include "io/lock.h"
#include "io/number_json.h"
#include "model/initialise.h"
#include "report/report.h"
#include "tuning/gradient_check.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

volatile std::sig_atomic_t interrupted = 0;
void on_interrupt(int) { interrupted = 1; }

// Ctrl-C in the middle of an evaluation, which may take as long as many steps.
struct Interrupted : std::exception {};
void stop_if_interrupted(int64_t, int64_t) {
  if (interrupted != 0) throw Interrupted();
}

void add_task(const std::string& split, const Dataset& data, const TuneConfig& c, const Model& model,
              Evaluation* values) {
  const TaskResult r =
      evaluate_task(model, data.examples, find_metric(c.discovery_metric), c.evaluation_batch, stop_if_interrupted);
  if (r.readouts > 0) {
    (*values)[split + "/metric"] = r.metric;
    // Over readouts; as a metric, logit_diff is the mean over examples and already there.
    if (r.compared > 0 && c.discovery_metric != "logit_diff") (*values)[split + "/logit_diff"] = r.logit_diff;
    if (r.compared > 0) (*values)[split + "/accuracy"] = r.accuracy;
    for (const auto& [label, share] : r.accuracy_by) (*values)[split + "/accuracy/" + label] = share;
  } else if (r.target_tokens > 0) {
    (*values)[split + "/metric"] = -r.nll;  // records without readouts: the better, the likelier
  }
  if (r.target_tokens > 0) (*values)[split + "/perplexity"] = std::exp(r.nll);
}

// The files of evaluation.files: "ability/blimp/accuracy".
void add_ability(const TuneConfig& c, const OpenModel& open, Evaluation* values) {
  AbilitySpec spec;
  spec.begin_token = parse_begin_token(c.data_bos);
  spec.batch = c.evaluation_batch;
  spec.window = c.evaluation_window;
  spec.metric = c.discovery_metric;
  spec.max_tokens = c.evaluation_max_tokens;
  for (const std::string& file : c.evaluation_files) {
    const FileScore score = score_file(open.model, open.tokenizer, file, spec, stop_if_interrupted);
    for (const Measure& m : score.measures) (*values)["ability/" + ability_name(file) + "/" + m.name] = m.value;
  }
}

// --dtype is no key of config.toml, but it changes the result of a run as one would.
void check_same_dtype(const TuneConfig& config, const CommonOptions& options) {
  Database db(config.run_path + "/run.db", Database::Mode::kReadOnly);
  Statement row = db.prepare("SELECT value FROM meta WHERE key = 'dtype'");
  if (!row.step() || row.text(0) == options.dtype) return;
  fail("--dtype", "the run began with {0}, not {1}. Resume it with --dtype {0}.", row.text(0), options.dtype);
}

RecorderSpec recorder_spec(const TuneConfig& config) {
  RecorderSpec spec;
  spec.scores.keep = find_score_retention(config.run_keep_scores);
  spec.scores.every = config.run_keep_every;
  spec.scores.discovery_every = config.discovery_every;
  spec.scores.evaluation_every = config.evaluation_every;
  spec.loggers = config.run_loggers;
  return spec;
}

Json names_json(const std::function<std::string(int64_t)>& name, int64_t count) {
  Json names = Json::array();
  for (int64_t i = 0; i < count; ++i) names.push_back(name(i));
  return names;
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

// Watches a run: records, evaluates, saves, shows progress, stops.
class RunObserver : public TuneObserver {
 public:
  RunObserver(const TuneConfig& config, TuneModel& model, ParameterStore& store, const TuneData& data,
              Recorder& recorder, RunState state)
      : config_(config),
        model_(model),
        store_(store),
        data_(data),
        recorder_(recorder),
        state_(std::move(state)),
        progress_("tune", config.tuning_steps, state_.step) {
    if (recorder.last_circuit()) edges_ = static_cast<int64_t>(recorder.last_circuit()->edges.size());
  }

  void on_discovery(const DiscoveryEvent& event) override {
    edges_ = static_cast<int64_t>(event.circuit.edges.size());
    metric_ = event.metric;
    recorder_.discovery(event, store_.current_parameters(), model_.open.model.parameter_count());
    if (config_.selection_kind == "top-edges" && edges_ < config_.selection_n && !said_fewer_) {
      said_fewer_ = true;
      progress_.clear();
      log_info("step {}: only {} edges have a score other than zero; all are taken.", event.step, edges_);
    }
  }

  void on_step(const StepEvent& event) override {
    recorder_.step(event);
    loss_ = event.loss;
    seconds_ += event.seconds;
    largest_trainable_ = std::max(largest_trainable_, event.trainable_parameters);
  }

  bool after_updates(int64_t done) override {
    show(done);
    const bool last = done == config_.tuning_steps;
    bool stop = false;
    if (done % config_.evaluation_every == 0 || last) {
      stop = evaluate_and_save(done);
    } else if (interrupted != 0) {
      save(done);
    }
    if (was_interrupted_) return true;
    if (interrupted != 0 && !last) {
      was_interrupted_ = true;
      return true;
    }
    return stop;
  }

  // The evaluation that Ctrl-C kept from the checkpoint that the run goes on from. True: patience has run out.
  bool catch_up() { return state_.evaluation_due && evaluate_and_save(state_.step); }

  // Beside the last checkpoint: what the step that ends the run had read.
  void on_failure(const FailedStep& failure) override {
    Json records = Json::array();
    for (const Example* e : failure.examples) records.push_back({{"place", e->place}, {"ids", e->ids}});
    const Json json = {{"step", failure.step},
                       {"loss", number_json(failure.loss)},
                       {"lr", failure.learning_rate},
                       {"records", records}};
    write_file(fmt::format("{}/failed-step-{:06}.json", config_.run_path, failure.step), json.dump(1) + "\n");
    recorder_.meta("status", "failed");
    progress_.clear();
    log_info("step {}: loss {}; its records are in failed-step-{:06}.json. Checkpoints are as they were.", failure.step,
             failure.loss, failure.step);
  }

  // Whose policy's state goes into checkpoints.
  void watch(const Trainer& trainer) { trainer_ = &trainer; }

  const RunState& state() const { return state_; }
  double seconds() const { return seconds_; }
  int64_t largest_trainable() const { return largest_trainable_; }
  bool was_interrupted() const { return was_interrupted_; }

 private:
  // Interrupted, the state is saved without its evaluation, which is made up for when the run goes on.
  bool evaluate_and_save(int64_t done) {
    bool stop = false;
    try {
      stop = evaluate(done);
      state_.evaluation_due = false;
    } catch (const Interrupted&) {
      progress_.clear();
      state_.evaluation_due = true;
      was_interrupted_ = true;
      stop = true;
    }
    save(done);
    return stop;
  }

  void show(int64_t done) {
    const double share = 100.0 * static_cast<double>(store_.current_parameters()) /
                         static_cast<double>(model_.open.model.parameter_count());
    std::string detail = fmt::format("loss {:.3f}", loss_);
    if (discovers(config_)) {
      detail += fmt::format("  {} {:+.2f}  {} edges", config_.discovery_metric, metric_, edges_);
    }
    progress_.update(done, detail + fmt::format("  {:.1f}% trainable", share));
  }

  // True: patience has run out.
  bool evaluate(int64_t done) {
    Evaluation values = evaluate_run(config_, model_, store_, data_, Splits::kDevelopment);
    if (config_.evaluation_circuit_records > 0 && recorder_.last_circuit()) {
      const RoundedModel rounded(store_, model_.open.checkpoint);
      add_circuit_quality(config_, model_, data_, *recorder_.last_circuit(), stop_if_interrupted, &values);
    }
    recorder_.evaluation(done, values);
    progress_.clear();
    std::string line = fmt::format("step {:>6}  loss {:.4f}", done, loss_);
    for (const char* name :
         {"dev/metric", "dev/accuracy", "dev/perplexity", "dev/faithfulness", "untouched/perplexity"}) {
      const auto found = values.find(name);
      if (found != values.end()) line += fmt::format("  {} {:.4g}", name, found->second);
    }
    log_info("{}", line);
    const auto metric = values.find("dev/metric");
    if (metric == values.end()) return false;
    if (!state_.best_step || metric->second > state_.best_metric) {
      state_.best_step = done;
      state_.best_metric = metric->second;
      state_.evaluations_since_best = 0;
      return false;
    }
    ++state_.evaluations_since_best;
    if (config_.evaluation_patience == 0 || state_.evaluations_since_best < config_.evaluation_patience) return false;
    log_info("step {}: no better dev metric in {} evaluations: stopping.", done, state_.evaluations_since_best);
    return true;
  }

  void save(int64_t done) {
    state_.step = done;
    if (trainer_ != nullptr) state_.policy = trainer_->policy_state();
    recorder_.before_checkpoint();
    save_checkpoint(config_.run_path, store_, model_.open.checkpoint, state_);
    recorder_.after_checkpoint();
    if (config_.evaluation_keep == "all") return;
    // The best is the run's result; beside it the last stays, to go on from.
    for (const int64_t step : checkpoint_steps(config_.run_path)) {
      if (step != done && step != state_.best_step.value_or(done)) remove_checkpoint(config_.run_path, step);
    }
  }

  const TuneConfig& config_;
  TuneModel& model_;
  ParameterStore& store_;
  const Trainer* trainer_ = nullptr;
  const TuneData& data_;
  Recorder& recorder_;
  RunState state_;
  Progress progress_;
  double loss_ = 0;
  double metric_ = 0;
  double seconds_ = 0;
  int64_t edges_ = 0;
  int64_t largest_trainable_ = 0;
  bool said_fewer_ = false;
  bool was_interrupted_ = false;
};

Json summary_json(const RunSummary& s) {
  return {{"before", numbers_json(s.before)},
          {"after", numbers_json(s.after)},
          {"steps", s.steps},
          {"best_step", s.best_step},
          {"touched_parameters", s.touched_parameters},
          {"touched_share", static_cast<double>(s.touched_parameters) / static_cast<double>(s.all_parameters)},
          {"all_parameters", s.all_parameters},
          {"largest_trainable", s.largest_trainable},
          {"seconds", s.seconds}};
}

}  // namespace

Evaluation evaluate_run(const TuneConfig& config, const TuneModel& model, ParameterStore& store,
                        const TuneData& data, Splits splits) {
  const RoundedModel rounded(store, model.open.checkpoint);
  Evaluation values;
  if (data.dev) add_task("dev", *data.dev, config, model.open.model, &values);
  if (data.test && splits == Splits::kAll) add_task("test", *data.test, config, model.open.model, &values);
  if (!data.untouched.ids.empty()) {
    const int64_t positions = model.open.model.architecture().n_positions;
    const int64_t window = config.evaluation_window > 0 ? config.evaluation_window : positions;
    const TextResult r =
        evaluate_text(model.open.model, data.untouched, window, config.evaluation_batch, stop_if_interrupted);
    values["untouched/perplexity"] = std::exp(r.nll);
  }
  if (splits == Splits::kAll) add_ability(config, model.open, &values);
  for (const auto& [name, value] : values) {
    if (!std::isnan(value)) continue;
    fail("tune", "evaluation: {} is not finite. Lower optimizer.lr, set optimizer.clip, or check the model's weights.",
         name);
  }
  return values;
}

void create_run(const TuneConfig& config, const CommonOptions& options, const TuneModel& model,
                const ParameterStore& store) {
  TuneConfig resolved = config;
  // A run resumes from any folder: its paths are absolute.
  for (std::string* path : {&resolved.model_path, &resolved.data_train, &resolved.data_dev, &resolved.data_test,
                            &resolved.data_untouched, &resolved.data_replay, &resolved.run_path}) {
    if (!path->empty()) *path = fs::absolute(*path).lexically_normal().string();
  }
  for (std::string& file : resolved.evaluation_files) file = fs::absolute(file).lexically_normal().string();
  const Architecture& a = model.open.model.architecture();
  const Graph& g = model.graph;
  const Json architecture = {
      {"family", a.family},         {"n_layers", a.n_layers}, {"n_heads", a.n_heads},
      {"n_kv_heads", a.n_kv_heads}, {"d_model", a.d_model},   {"d_head", a.d_head},
      {"d_mlp", a.d_mlp},           {"vocab", a.vocab},       {"parameters", model.open.model.parameter_count()}};
  const Json graph = {{"n_layers", g.n_layers()},   {"n_heads", g.n_heads()},   {"n_kv_heads", g.n_kv_heads()},
                      {"ungrouped", g.ungrouped()}, {"parallel", g.parallel()}, {"mlp_blocks", g.mlp_blocks()},
                      {"edges", g.n_edges()}};
  const std::string text = print_config(resolved.fields());
  const std::map<std::string, std::string> meta{
      {"program_version", CIRCUIT_VERSION},
      {"schema_version", "1"},
      {"created", utc_now()},
      {"method", config.tuning_method},
      {"selection", config.selection_kind},
      {"model", resolved.model_path},
      {"dtype", options.dtype},
      {"architecture", architecture.dump()},
      {"graph", graph.dump()},
      {"upstream_nodes", names_json([&](int64_t i) { return g.upstream_name(i); }, g.n_upstream()).dump()},
      {"downstream_nodes", names_json([&](int64_t i) { return g.downstream_name(i); }, g.n_downstream()).dump()},
      {"config", text},
      {"base_sha256", base_sums(model.open.checkpoint)},
      {"data_sha256", data_sums(config)},
      {"status", "running"}};
  write_directory(config.run_path, IfExists::kRefuse, [&](const std::string& folder) {
    write_file(folder + "/config.toml", text);
    make_directories(folder + "/checkpoints");
    Recorder::create(folder + "/run.db", g, store.table(), meta);
  });
}

std::unique_ptr<ParameterStore> stored_parameters(const TuneConfig& config, const std::string& run,
                                                  TuneModel& model) {
  if (!config.lora_circuit) return make_store(config, model, nullptr);
  // Its one discovery stands at step 0.
  const RecordedCircuit first = read_recorded_circuit(run, 0);
  return make_store(config, model, &first.file.circuit);
}

TuneConfig with_initial_weights(TuneConfig config) {
  if (config.model_init == "pretrained") return config;
  const std::string folder = config.run_path + ".init";
  write_initial_checkpoint(config.model_path, static_cast<uint64_t>(config.tuning_seed), folder);
  log_info("{}: new weights for {}", folder, config.model_path);
  config.model_path = folder;
  config.model_init = "pretrained";
  return config;
}

void hold_gradient(const TuneConfig& config, TuneModel& model, const TuneData& data) {
  const TunerSpec spec = tuner_spec(config, model, data);
  Model& weights = model.open.model;
  const ExampleBatch batch =
      make_example_batch(task_batches(spec.batches, 0)[0], weights.architecture(), weights.device());
  const GradientCheck check = check_gradient(weights, model.table.slices(), batch);
  const std::string found = fmt::format("gradient of {}: {:.6g} by the backward, {:.6g} by differences of the loss",
                                        check.slice, check.gradient, check.slope);
  if (!check.holds()) fail("--paranoid", "{}: they part by more than {:.2g}. Please report this.", found, check.limit);
  log_info("{}.", found);
}

RunSummary execute_run(TuneConfig config, const CommonOptions& options, Checks checks) {
  config = with_initial_weights(std::move(config));
  TuneModel model(config, options);
  const TuneData data(config, model.open);
  check_quality_records(config, data, model.open.model.architecture());
  if (checks == Checks::kParanoid) hold_gradient(config, model, data);
  const bool fresh = !file_exists(config.run_path);
  std::optional<FirstCircuit> first;
  // Bad data leaves nothing: whatever reads it comes before the folder.
  const auto begin = [&] {
    if (needs_first_circuit(config)) first = find_first_circuit(config, model, data);
    if (first) config = matched(config, model, *first);
    return make_store(config, model, config.lora_circuit ? &first->circuit : nullptr);
  };
  std::unique_ptr<ParameterStore> store;
  Evaluation before;
  RunState state;
  const std::vector<int64_t> saved = fresh ? std::vector<int64_t>() : checkpoint_steps(config.run_path);
  std::optional<FolderLock> lock;
  if (fresh) {
    // What a configuration asks of this graph and these records, found before there is a folder.
    const TunerSpec spec = tuner_spec(config, model, data);
    if (discovers(config) || needs_first_circuit(config)) {
      CircuitPolicy(model.graph, model.table, spec.discovery.policy);
    }
    store = begin();
    before = evaluate_run(config, model, *store, data, Splits::kAll);
    create_run(config, options, model, *store);
    lock.emplace(config.run_path, FolderLock::Use::kAlone);
  } else {
    lock.emplace(config.run_path, FolderLock::Use::kAlone);
    check_same_dtype(config, options);
    check_base(config.run_path, model.open.checkpoint);
    check_data(config.run_path, config);
    remove_unfinished(config.run_path);
  }
  // Before the store is opened to write: a checkpoint that is refused leaves the run as it was.
  if (!saved.empty()) {
    store = stored_parameters(config, config.run_path, model);
    state = load_checkpoint(config.run_path, saved.back(), model.open.checkpoint, *store);
  }
  set_log_file(config.run_path + "/log.txt");
  Recorder recorder(config.run_path + "/run.db", model.graph, saved.empty() ? 0 : saved.back(), recorder_spec(config));
  if (!saved.empty()) {
    log_info("going on from step {}.", state.step);
  } else {
    if (!store) store = begin();
    if (before.empty()) before = evaluate_run(config, model, *store, data, Splits::kAll);
    recorder.evaluation(0, before);
    if (config.lora_circuit) {
      const ScoreResult& scores = first->scores;
      recorder.discovery(
          {0, scores.scores, first->circuit, scores.metric, scores.examples, scores.sum_rule_error, first->seconds},
          store->current_parameters(), model.open.model.parameter_count());
    }
    if (config.tuning_method == "full") dynamic_cast<SliceStore&>(*store).select_all();
  }
  // Circuits may come to hold every slice.
  const int64_t most = discovers(config) ? model.table.parameters(model.table.all()) : store->current_parameters();
  const TuneMemory memory = tune_memory(config, model, data, most);
  log_info("memory, at most: {}; {} at hand.", memory.text(), format_bytes(static_cast<double>(memory_limit(options))));
  if (memory.total() > memory_limit(options)) log_warning("this may be more than there is: {}", kMemoryAdvice);
  recorder.meta("status", "running");
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  RunObserver observer(config, model, *store, data, recorder, state);
  const bool exhausted = config.evaluation_patience > 0 && state.evaluations_since_best >= config.evaluation_patience;
  if (!observer.catch_up() && !observer.was_interrupted() && !exhausted) {
    const std::unique_ptr<Trainer> trainer = make_trainer(config, model, data, *store);
    trainer->restore(state.policy);
    observer.watch(*trainer);
    trainer->run(state.step, observer);
  }
  RunSummary summary;
  summary.all_parameters = model.open.model.parameter_count();
  summary.steps = observer.state().step;
  summary.seconds = observer.seconds();
  summary.largest_trainable = observer.largest_trainable();
  summary.interrupted = observer.was_interrupted();
  if (summary.interrupted) {
    recorder.meta("status", "stopped");
    return summary;
  }
  // The best step on a fresh copy of the base: slices that entered later must be the base's again.
  summary.best_step = observer.state().best_step.value_or(observer.state().step);
  const std::unique_ptr<ParameterStore> trained = std::move(store);
  TuneModel best(config, options);
  store = make_store(config, best, config.lora_circuit ? &recorder.last_circuit().value() : nullptr);
  load_checkpoint(config.run_path, summary.best_step, best.open.checkpoint, *store);
  summary.touched_parameters = store->changed_parameters();
  try {
    summary.after = evaluate_run(config, best, *store, data, Splits::kAll);
  } catch (const Interrupted&) {
    recorder.meta("status", "stopped");
    summary.interrupted = true;
    return summary;
  }
  recorder.evaluation(summary.best_step, summary.after);
  summary.before = recorder.evaluations(0);
  const auto totals = recorder.totals();
  summary.seconds = totals.seconds;
  summary.largest_trainable = totals.largest_trainable;
  recorder.meta("summary", summary_json(summary).dump());
  recorder.meta("status", "finished");
  write_report(config.run_path);
  return summary;
}

}  // namespace circuit
