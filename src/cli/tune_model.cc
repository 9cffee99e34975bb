#include "cli/tune_model.h"

#include <charconv>
#include <chrono>
#include <cmath>

#include "cli/target.h"
#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "model/memory.h"
#include "scoring/memory.h"
#include "task/text_windows.h"
#include "tuning/lora_store.h"

namespace circuit {
namespace {

void log_dataset(const std::string& path, const Dataset& data) {
  log_info("{}: {} records{}", path, data.examples.size(),
           data.truncated > 0 ? fmt::format(", {} shortened, {} readouts and {} records dropped", data.truncated,
                                            data.dropped_readouts, data.dropped_records)
                              : "");
}

// What the loss would read nothing of, which would cost a step its batch, or give it a loss of 0.
void check_targets(const TuneConfig& config, const Example& e) {
  const auto length = static_cast<int64_t>(e.ids.size());
  const int64_t first = std::max<int64_t>(1, e.first_target);
  if (first >= length)
    fail(e.place, "the record has no target token: nothing predicts its first, and it has no other.");
  if (!config.tuning_readout_only) return;
  for (const Readout& r : e.readouts) {
    if (r.position >= first && r.position < length) return;
  }
  fail(e.place,
       "tuning.readout_only: no readout of the record is a token of its text, so that nothing of it is learned.");
}

// Every training record, before anything is written: a run must not die of its last one at step 1000.
void check_training_records(const TuneConfig& config, const Dataset& train, const Architecture& architecture) {
  const bool scores = discovers(config) || needs_first_circuit(config);
  const Ablation ablation = parse_ablation(config.discovery_ablation);
  const bool corrupts =
      scores && (ablation == Ablation::kCounterfactual || find_scorer(config.discovery_method).needs_pairs);
  std::vector<const Example*> examples;
  const Metric& metric = find_metric(config.discovery_metric);
  for (const Example& e : train.examples) {
    check_example(e, architecture, Side::kClean);
    check_targets(config, e);
    if (corrupts) check_example(e, architecture, Side::kCounterfactual);
    if (scores) check_metric(metric, e);
    if (config.tuning_regulariser > 0) check_metric(logit_diff_metric(), e);
    examples.push_back(&e);
  }
  if (scores) check_lengths(ablation, examples);
}

ReadSpec read_spec(const TuneConfig& config) {
  ReadSpec read;
  read.begin_token = parse_begin_token(config.data_bos);
  read.max_length = config.data_max_length;
  return read;
}

// What adapters restricted to a circuit reach.
AdapterReaches reach_of_circuit(const TuneModel& model, const Circuit& circuit) {
  std::vector<Slice> slices;
  for (const int64_t id : model.table.of_circuit(circuit, SlicePolicy())) slices.push_back(model.table[id]);
  return reach_of(model.open.model, slices);
}

// A text becomes windows, everything else is records.
Dataset read_examples(const std::string& path, const TuneConfig& config, const OpenModel& open, const ReadSpec& read) {
  if (file_kind(path) != FileKind::kText) return read_dataset(path, open.tokenizer, read);
  Dataset data;
  data.examples =
      read_text_windows(path, open.tokenizer, open.model.architecture(), config.data_window, read.begin_token);
  return data;
}

// A factor of the learning rate per slice, from "pattern=factor"; the last pattern that matches counts.
std::vector<double> rates_of(const TuneConfig& config, const SliceTable& table) {
  if (config.optimizer_rates.empty()) return {};
  std::vector<double> rates(table.slices().size(), 1);
  for (const std::string& item : config.optimizer_rates) {
    const size_t equals = item.rfind('=');
    double factor = -1;
    const char* end = item.data() + item.size();
    const char* begin = equals == std::string::npos ? end : item.data() + equals + 1;
    const auto parsed = std::from_chars(begin, end, factor);
    if (parsed.ec != std::errc() || parsed.ptr != end || !(factor >= 0) || !std::isfinite(factor)) {
      throw UsageError(fmt::format("[optimizer.rates] '{}': expected pattern=factor, as in m*=0.5.", item));
    }
    bool any = false;
    for (size_t i = 0; i < rates.size(); ++i) {
      if (!matches(item.substr(0, equals), table.slices()[i].node)) continue;
      rates[i] = factor;
      any = true;
    }
    if (!any) throw UsageError(fmt::format("[optimizer.rates] '{}' matches no node.", item.substr(0, equals)));
  }
  return rates;
}

// selection.kind = faithfulness: the smallest circuit that reaches it on dev records.
Selector faithfulness_selector(const TuneConfig& config, const TuneModel& model, const TuneData& data,
                               const ScoreSpec& score) {
  if (!data.dev) fail("selection.kind", "faithfulness is judged on data.dev, which is missing.");
  std::vector<const Example*> held_out;
  for (const Example& e : data.dev->examples) {
    if (static_cast<int64_t>(held_out.size()) == config.selection_faithfulness_records) break;
    held_out.push_back(&e);
  }
  const double target = config.selection_faithfulness;
  const Model& weights = model.open.model;
  return {"faithfulness", "the smallest circuit of strongest edges that reaches a faithfulness on dev records",
          [target, held_out, score, &weights](const SelectionInput& input, const SelectionSpec& spec, Rng& rng) {
            return circuit_reaching(weights, input, top_edges_selector(), spec, target, held_out, score, rng);
          }};
}

PolicySpec policy_spec(const TuneConfig& c, const TuneModel& model, const TuneData& data, const ScoreSpec& score) {
  PolicySpec spec;
  // The control has the size that the circuit would have; the others take what the configuration names.
  spec.selector = c.tuning_method == "random"          ? random_selector()
                  : c.selection_kind == "faithfulness" ? faithfulness_selector(c, model, data, score)
                                                       : find_selector(c.selection_kind);
  spec.selection.n = c.selection_n;
  spec.selection.threshold = c.selection_threshold;
  spec.selection.budget = c.selection_budget;
  spec.selection.signed_scores = c.selection_signed;
  spec.selection.policy = {c.tuning_shared_biases, c.tuning_train_norms, c.tuning_train_embeddings,
                           c.tuning_train_unembedding};
  if (c.tuning_method == "complement") spec.train = PolicySpec::Train::kComplement;
  spec.once = c.tuning_method == "fixed" || c.tuning_method == "random";
  spec.size = parse_size_schedule(c.selection_schedule);
  spec.n_final = c.selection_n_final;
  spec.steps = c.tuning_steps;
  spec.smoothing = c.discovery_smoothing;
  spec.leave_rank = c.selection_leave_rank;
  spec.extra_random = c.selection_extra_random;
  spec.always = c.selection_always;
  spec.never = c.selection_never;
  return spec;
}

}  // namespace

TuneModel::TuneModel(const TuneConfig& config, const CommonOptions& options)
    : open(config.model_path, options),
      graph(open.model.architecture(), config.discovery_ungrouped ? KeyValueNodes::kUngrouped : KeyValueNodes::kGrouped,
            config.discovery_mlp_block),
      table(graph, open.model) {}

Dataset read_run_records(const std::string& path, const TuneConfig& config, const OpenModel& open) {
  return read_examples(path, config, open, read_spec(config));
}

TuneData::TuneData(const TuneConfig& config, const OpenModel& open) {
  const ReadSpec read = read_spec(config);
  train = read_examples(config.data_train, config, open, read);
  log_dataset(config.data_train, train);
  check_training_records(config, train, open.model.architecture());
  if (!config.data_dev.empty()) dev = read_examples(config.data_dev, config, open, read);
  if (!config.data_test.empty()) test = read_examples(config.data_test, config, open, read);
  if (dev) log_dataset(config.data_dev, *dev);
  if (test) log_dataset(config.data_test, *test);
  if (!config.data_replay.empty()) {
    replay = read_text_windows(config.data_replay, open.tokenizer, open.model.architecture(), config.data_window,
                               read.begin_token);
    log_info("{}: {} windows of text to replay", config.data_replay, replay.size());
  }
  if (config.data_untouched.empty()) return;
  untouched = read_text(config.data_untouched, open.tokenizer, read.begin_token);
}

bool discovers(const TuneConfig& config) {
  const std::string& method = config.tuning_method;
  return method == "circuit" || method == "fixed" || method == "random" || method == "complement";
}

TunerSpec tuner_spec(const TuneConfig& c, const TuneModel& model, const TuneData& data) {
  TunerSpec spec;
  DiscoverySpec& d = spec.discovery;
  d.scorer = find_scorer(c.discovery_method);
  d.score.metric = find_metric(c.discovery_metric);
  d.score.ablation = parse_ablation(c.discovery_ablation);
  d.score.ig_steps = c.discovery_ig_steps;
  d.score.seed = static_cast<uint64_t>(c.tuning_seed);
  d.score.positions = parse_positions(c.discovery_positions);
  d.score.batch = c.tuning_batch;
  d.policy = policy_spec(c, model, data, d.score);
  d.every = c.discovery_every;
  d.batches = c.discovery_batches;
  d.on_return = c.tuning_state_on_return == "keep" ? SliceStore::OnReturn::kKeep : SliceStore::OnReturn::kReset;
  spec.steps = c.tuning_steps;
  spec.batches.train = &data.train.examples;
  if (!data.replay.empty()) {
    spec.batches.replay = &data.replay;
    // By tokens, as the loss counts: a window is many times as long as a record.
    const double records = static_cast<double>(c.tuning_batch * c.tuning_accumulation);
    spec.batches.replay_records =
        c.data_replay_share * records * mean_targets(data.train.examples) / mean_targets(data.replay);
  }
  spec.batches.batch = c.tuning_batch;
  spec.batches.accumulation = c.tuning_accumulation;
  spec.batches.seed = static_cast<uint64_t>(c.tuning_seed);
  spec.optimizer = {c.optimizer_kind,    c.optimizer_momentum,     c.optimizer_beta1,       c.optimizer_beta2,
                    c.optimizer_epsilon, c.optimizer_weight_decay, c.optimizer_decay_biases};
  spec.schedule.kind = parse_schedule(c.optimizer_schedule);
  spec.schedule.lr = c.optimizer_lr;
  spec.schedule.warmup = c.optimizer_warmup;
  spec.schedule.steps = c.tuning_steps;
  spec.schedule.final_share = c.optimizer_final_share;
  spec.clip = c.optimizer_clip;
  spec.readout_weight = c.tuning_readout_weight;
  spec.readout_only = c.tuning_readout_only;
  spec.regulariser = c.tuning_regulariser;
  spec.max_loss = c.tuning_max_loss;
  spec.recompute = c.tuning_recompute;
  return spec;
}

int64_t longest_record(const Dataset& data) {
  size_t longest = 1;
  for (const Example& e : data.examples) longest = std::max(longest, e.ids.size());
  return static_cast<int64_t>(longest);
}

std::string TuneMemory::text() const {
  const auto size = [](int64_t bytes) { return format_bytes(static_cast<double>(bytes)); };
  return fmt::format("{} weights, {} activations, {} gradients and optimiser state", size(weights), size(activations),
                     size(state));
}

TuneMemory tune_memory(const TuneConfig& config, const TuneModel& model, const TuneData& data, int64_t trained) {
  const Model& weights = model.open.model;
  const auto element = static_cast<int64_t>(weights.embedding().element_size());
  const int64_t longest = longest_record(data.train);
  const Pass pass = config.tuning_recompute ? Pass::kTrainRecomputing : Pass::kTrain;
  const MemoryPlan loss =
      plan_memory(weights.architecture(), weights.parameter_count(), pass, config.tuning_batch, longest, element);
  TuneMemory memory;
  memory.weights = loss.weights;
  memory.activations = loss.activations;
  if (discovers(config) || needs_first_circuit(config)) {
    const TunerSpec spec = tuner_spec(config, model, data);
    const ScorePlan score = plan_score(weights, model.graph, spec.discovery.scorer, spec.discovery.score, longest);
    memory.activations = std::max(memory.activations, score.total(config.tuning_batch) - score.weights);
  }
  // A gradient in the model's dtype, in float32 where several add up (SliceGradients: micro-batches, replay, lookups of
  // embeddings); the optimiser's states, and a master where that dtype is not float32. LoRA trains in float32
  // throughout, and keeps the weights it adapts.
  const bool lora = config.tuning_method == "lora";
  const bool embeddings = config.tuning_method == "full" || config.tuning_train_embeddings;
  const bool summed = lora || embeddings || config.tuning_accumulation > 1 || !config.data_replay.empty();
  const int64_t states = find_optimizer(config.optimizer_kind).states;
  const bool master = lora || element < 4;
  memory.state = trained * ((summed ? 4 : element) + 4 * states + (master ? 4 : 0));
  if (lora) memory.state += memory.weights;
  return memory;
}

bool needs_first_circuit(const TuneConfig& config) {
  return config.tuning_method == "lora" && (config.lora_circuit || config.tuning_match_parameters);
}

FirstCircuit find_first_circuit(const TuneConfig& config, const TuneModel& model, const TuneData& data) {
  const auto start = std::chrono::steady_clock::now();
  const TunerSpec spec = tuner_spec(config, model, data);
  ExampleList examples;
  for (const ExampleList& part : task_batches(spec.batches, 0))
    examples.insert(examples.end(), part.begin(), part.end());
  FirstCircuit first;
  first.scores = spec.discovery.scorer.score(model.open.model, model.graph, examples, spec.discovery.score, {});
  Rng rng = Rng(spec.batches.seed).split("selection 0");
  Choice choice = CircuitPolicy(model.graph, model.table, spec.discovery.policy).choose(0, first.scores.scores, rng);
  first.circuit = std::move(choice.circuit);
  first.slices = std::move(choice.slices);
  first.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return first;
}

TuneConfig matched(TuneConfig config, const TuneModel& model, const FirstCircuit& first) {
  if (config.tuning_method != "lora" || !config.tuning_match_parameters) return config;
  const int64_t target = model.table.parameters(first.slices);
  const Model& weights = model.open.model;
  const AdapterReaches reaches = config.lora_circuit ? reach_of_circuit(model, first.circuit) : AdapterReaches();
  const int64_t per_rank =
      LoraStore::parameters_per_rank(weights, config.lora_targets, config.lora_circuit ? &reaches : nullptr);
  if (per_rank == 0) fail("lora.circuit", "none of lora.targets is in the first circuit: there is no rank to match.");
  const auto rank = std::llround(static_cast<double>(target) / static_cast<double>(per_rank));
  const double scale = config.lora_alpha / static_cast<double>(config.lora_rank);
  config.lora_rank = std::max<int64_t>(1, rank);
  config.lora_alpha = scale * static_cast<double>(config.lora_rank);
  config.tuning_match_parameters = false;
  log_info("lora: rank {} has {} parameters; the circuit's slices {}.", config.lora_rank,
           with_commas(config.lora_rank * per_rank), with_commas(target));
  return config;
}

std::unique_ptr<ParameterStore> make_store(const TuneConfig& config, TuneModel& model, const Circuit* circuit) {
  Model& weights = model.open.model;
  if (config.tuning_method == "full") return std::make_unique<SliceStore>(weights, whole_tensors(weights));
  if (config.tuning_method != "lora") {
    return std::make_unique<SliceStore>(weights, model.table.slices(), rates_of(config, model.table));
  }
  LoraSpec spec;
  spec.rank = config.lora_rank;
  spec.alpha = config.lora_alpha;
  spec.targets = config.lora_targets;
  spec.seed = static_cast<uint64_t>(config.tuning_seed);
  if (circuit == nullptr) return std::make_unique<LoraStore>(weights, spec);
  const AdapterReaches reaches = reach_of_circuit(model, *circuit);
  return std::make_unique<LoraStore>(weights, spec, &reaches);
}

std::unique_ptr<Trainer> make_trainer(const TuneConfig& config, const TuneModel& model, const TuneData& data,
                                      ParameterStore& store) {
  TunerSpec spec = tuner_spec(config, model, data);
  if (!discovers(config)) return std::make_unique<Trainer>(model.open.model, store, std::move(spec));
  return std::make_unique<Trainer>(model.open.model, model.graph, model.table, dynamic_cast<SliceStore&>(store),
                                   std::move(spec));
}

}  // namespace circuit
