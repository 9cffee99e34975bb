#include "run/plan.h"

#include <algorithm>
#include <chrono>

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "evaluation/target.h"
#include "model/memory.h"
#include "ranks/communicator.h"
#include "scoring/memory.h"

namespace circuit {
namespace {

// selection.kind = faithfulness: the smallest circuit that reaches it on dev records.
Selector faithfulness_selector(const RunConfig& config, const TuneModel& model, const TuneData& data,
                               const ScoreSpec& score) {
  if (!data.dev) fail("selection.kind", "faithfulness is judged on data.dev, which is missing.");
  std::vector<const Example*> held_out;
  for (const Example& e : data.dev->examples) {
    if (static_cast<int64_t>(held_out.size()) == config.target.records) break;
    held_out.push_back(&e);
  }
  const double target = config.target.faithfulness;
  const Model& weights = model.open.model;
  return {"faithfulness", "the smallest circuit of strongest edges that reaches a faithfulness on dev records",
          [target, held_out, score, &weights](const SelectionInput& input, const SelectionSpec& spec, Rng& rng) {
            return circuit_reaching(weights, input, top_edges_selector(), spec, target, held_out, score, rng);
          }};
}

PolicySpec policy_spec(const RunConfig& c, const TuneModel& model, const TuneData& data, const ScoreSpec& score) {
  PolicySpec spec;
  static_cast<PolicySettings&>(spec) = c.policy;
  spec.selection = c.selection;
  spec.selection.policy = c.tuning.slices;
  spec.selector = c.selection.kind == "faithfulness" ? faithfulness_selector(c, model, data, score)
                                                     : find_selector(c.selection.kind);
  spec.steps = c.tuning.steps;
  spec.smoothing = c.discovery.smoothing;
  spec.choice = model.choice;
  spec.seed = static_cast<uint64_t>(c.tuning.batches.seed);
  spec.outside = model.outside;
  c.method().shape(&spec);
  return spec;
}

}  // namespace

TunerSpec tuner_spec(const RunConfig& c, const TuneModel& model, const TuneData& data) {
  TunerSpec spec;
  static_cast<TrainSettings&>(spec) = c.tuning;
  DiscoverySpec& d = spec.discovery;
  d.scorer = find_scorer(c.discovery.score.method);
  d.score = c.discovery.score.spec();
  d.score.seed = static_cast<uint64_t>(c.tuning.batches.seed);
  d.score.batch = c.tuning.batches.batch;
  d.policy = policy_spec(c, model, data, d.score);
  d.every = c.discovery.every;
  d.batches = c.discovery.batches;
  d.on_return = c.tuning.on_return;
  static_cast<BatchSettings&>(spec.batches) = c.tuning.batches;
  spec.batches.train = &data.train.examples;
  if (!data.replay.empty()) {
    spec.batches.replay = &data.replay;
    spec.replay_masked = data.replay_masked;
    // By tokens, as the loss counts: a window is many times as long as a record.
    const double records = static_cast<double>(c.tuning.batches.batch * c.tuning.batches.accumulation);
    spec.batches.replay_records =
        c.data.replay_share * records * mean_targets(data.train.examples) / mean_targets(data.replay);
  }
  spec.optimizer = c.optimizer.rule;
  spec.schedule = c.optimizer.schedule;
  spec.schedule.steps = c.tuning.steps;
  spec.clip = c.optimizer.clip;
  if (data.reference) spec.base = &data.reference->base();
  return spec;
}

std::string TuneMemory::text() const {
  const auto size = [](int64_t bytes) { return format_bytes(static_cast<double>(bytes)); };
  return fmt::format("about {}: {} weights, {} program, {} activations and gradients, {} optimiser state and copies",
                     size(total()), size(weights), size(program), size(working()), size(state));
}

void warn_of_memory(const TuneMemory& memory, int64_t limit) {
  if (memory.total() <= limit) return;
  const bool state = memory.state > memory.working();
  log_warning("this is more than the {} at hand: {}.", format_bytes(static_cast<double>(limit)),
              state ? "choose smaller circuits or an optimizer.kind of less state"
                    : "lower tuning.batch and raise tuning.accumulation, or set tuning.recompute = true");
}

TuneMemory tune_memory(const RunConfig& config, const TuneModel& model, const TuneData& data, int64_t trained,
                       int64_t held) {
  const Model& weights = model.open.model;
  const TuningSettings& tuning = config.tuning;
  const auto element = static_cast<int64_t>(weights.embedding().element_size());
  const int64_t longest = longest_record(data.train);
  const Pass pass = tuning.recompute ? Pass::kTrainRecomputing : Pass::kTrain;
  const MemoryPlan loss =
      plan_memory(weights.architecture(), weights.parameter_count(), pass, tuning.batches.batch, longest, element);
  TuneMemory memory;
  memory.program = model.program;
  // The base beside what is tuned.
  memory.weights = reads_base(config) ? 2 * loss.weights : loss.weights;
  if (scores_edges(config)) {
    const TunerSpec spec = tuner_spec(config, model, data);
    const ScorePlan score = plan_score(weights, model.graph, spec.discovery.scorer, spec.discovery.score, longest);
    memory.discovery = score.total(tuning.batches.batch) - score.weights;
  }
  // The gradients of every slice at once.
  if (model.choice != nullptr && model.choice->reads_gradients())
    memory.discovery = std::max(memory.discovery, loss.activations + loss.weights);
  const bool curves = config.optimizer.rule.curvature > 0;
  const bool spares = tuning.null_space > 0;
  int64_t spared = 0;
  if (spares || curves || (model.choice != nullptr && model.choice->reads_general())) {
    const MemoryPlan window =
        plan_memory(weights.architecture(), weights.parameter_count(), pass, 1, longest_of(data.replay), element);
    // Sums over windows stand in a tree, one at each of its levels.
    int64_t levels = 1;
    while ((int64_t{1} << levels) < tuning.general_windows) ++levels;
    int64_t sums = loss.weights;
    if (curves) sums = std::max(sums, levels * trained * static_cast<int64_t>(sizeof(float)));
    if (spares) {
      spared = InputMoments(weights, config.method().trains_slices() ? model.table.slices() : whole_tensors(weights))
                   .bytes();
      sums = std::max(sums, levels * spared);
    }
    memory.discovery = std::max(memory.discovery, window.activations + sums);
  }
  StateShape shape;
  shape.trained = trained;
  // States and masters of a slice are on the rank that owns it; adapters have theirs on all.
  shape.held = config.method().trains_slices() ? (held + world().count() - 1) / world().count() : held;
  shape.element = element;
  shape.states = find_optimizer(config.optimizer.rule.kind).states + (curves ? 1 : 0);
  shape.batches = tuning.batches.accumulation + (config.data.replay.empty() ? 0 : 1);
  shape.weights = loss.weights;
  memory.step = loss.activations + config.method().gradient_bytes(shape, tuning);
  memory.state = config.method().state_bytes(shape) + spared;
  return memory;
}

FirstCircuit find_first_circuit(const RunConfig& config, const TuneModel& model, const TuneData& data) {
  const auto start = std::chrono::steady_clock::now();
  TunerSpec spec = tuner_spec(config, model, data);
  spec.discovery.policy.choice = nullptr;  // the circuit's own slices: another choice has their size
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

}  // namespace circuit
