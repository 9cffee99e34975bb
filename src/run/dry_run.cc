#include "run/dry_run.h"

#include <memory>
#include <set>

#include "core/error.h"
#include "core/setting_name.h"
#include "run/circuit_quality.h"

namespace circuit {
namespace {

// Catches the first discovery and stops before a second step.
class Peek : public TuneObserver {
 public:
  Peek(const Graph& graph, DryRun* found) : graph_(graph), found_(found) {}
  void on_discovery(const DiscoveryEvent& event) override {
    found_->circuit = {static_cast<int64_t>(event.circuit.edges.size()), nodes_of(graph_, event.circuit).count(),
                       event.metric};
  }
  void on_step(const StepEvent&) override {}
  bool after_updates(int64_t) override { return true; }

 private:
  const Graph& graph_;
  DryRun* found_;
};

}  // namespace

DryRun dry_run(RunConfig config, const ComputeSpec& compute) {
  if (config.model.init != ModelSource::Init::kPretrained) {
    fail(setting("dry_run"),
         "model.init = random makes the weights it would look at. Run it, or set model.init = pretrained.");
  }
  TuneModel model(config, compute);
  const TuneData data(config, model.open);
  check_quality_records(config, data, model.open.model.architecture());
  DryRun found;
  found.all_parameters = model.open.model.parameter_count();
  found.records = static_cast<int64_t>(data.train.examples.size());
  found.longest = longest_record(data.train);
  found.dev = data.dev ? static_cast<int64_t>(data.dev->examples.size()) : 0;
  found.test = data.test ? static_cast<int64_t>(data.test->examples.size()) : 0;
  found.untouched = static_cast<int64_t>(data.untouched.ids.size());
  const TuningMethod& method = config.method();
  std::optional<FirstCircuit> first;
  if (method.needs_first_circuit(config.tuning)) {
    first = find_first_circuit(config, model, data);
    method.match(model.input(config), first->circuit, first->slices, &config.tuning);
  }
  const bool made_of_it = method.is_made_of_first_circuit(config.tuning);
  const std::optional<ScoredCircuit> scored = first ? std::optional<ScoredCircuit>(first->scored()) : std::nullopt;
  const std::unique_ptr<Trained> trained = method.make(model.input(config), made_of_it ? &*scored : nullptr);
  if (method.finds_circuits()) {
    // One real discovery; the step that follows moves nothing, since its learning rate is zero.
    RunConfig still = config;
    still.optimizer.schedule.lr = 0;
    still.tuning.steps = 1;
    Peek peek(model.graph, &found);
    trained->trainer(tuner_spec(still, model, data))->run(0, peek);
  } else {
    trained->begin();
  }
  const ParameterStore& store = trained->store();
  std::set<std::string> tensors;
  for (const int64_t id : store.current()) tensors.insert(store.table()[id].tensor);
  found.parts = static_cast<int64_t>(store.current().size());
  found.tensors = static_cast<int64_t>(tensors.size());
  found.parameters = store.current_parameters();
  found.memory = tune_memory(config, model, data, found.parameters, found.parameters);
  found.config = std::move(config);
  return found;
}

}  // namespace circuit
