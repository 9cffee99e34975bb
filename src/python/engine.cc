#include "python/engine.h"

#include <algorithm>

#include "core/error.h"
#include "evaluation/discover_text.h"
#include "evaluation/evaluation_text.h"
#include "graph/circuit_file.h"
#include "graph/svg.h"
#include "io/outputs.h"
#include "model/live_tensors.h"
#include "python/graph_json.h"
#include "python/ranks.h"
#include "python/requests.h"
#include "run/run_inputs.h"
#include "run/run_text.h"
#include "store/number_json.h"

namespace circuit::python {
namespace {

EdgeScores scores_of(const at::Tensor& tensor, const Graph& graph) {
  if (tensor.scalar_type() != at::kFloat || tensor.dim() != 1 || tensor.size(0) != graph.n_edges())
    fail("scores", "found {} values of {}, expected {} of float32: one an edge.", tensor.numel(),
         at::toString(tensor.scalar_type()), graph.n_edges());
  const at::Tensor values = tensor.to(at::kCPU).contiguous();
  const auto* data = values.data_ptr<float>();
  return {std::vector<float>(data, data + values.numel())};
}

Circuit circuit_of(std::vector<int64_t> edges, const Graph& graph) {
  std::sort(edges.begin(), edges.end());
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  if (!edges.empty() && (edges.front() < 0 || edges.back() >= graph.n_edges()))
    fail("circuit", "edge {} is not in the graph, which has {}.", edges.front() < 0 ? edges.front() : edges.back(),
         graph.n_edges());
  return {std::move(edges)};
}

Json report_json(const StepReport& r) {
  return {{"event", "step"},
          {"step", r.step},
          {"loss", number_json(r.loss)},
          {"metric", number_or_null(r.metric)},
          {"lr", r.learning_rate},
          {"edges", r.edges},
          {"trainable", r.trainable_parameters},
          {"seconds", r.seconds},
          {"evaluation", numbers_json(r.evaluation)}};
}

ComputeSpec compute_of(const std::string& text) {
  const Json json = parse_json(text, "compute");
  ComputeSpec spec;
  spec.threads = static_cast<int>(optional_int(json, "threads", 0, "compute"));
  spec.device = optional_string(json, "device", spec.device, "compute");
  spec.dtype = optional_string(json, "dtype", spec.dtype, "compute");
  spec.memory = optional_string(json, "memory", spec.memory, "compute");
  return spec;
}

}  // namespace

Engine::Engine(const std::string& folder, const Tensors& weights, const std::string& compute)
    : compute_(compute_of(compute)) {
  for (const auto& entry : weights) weights_.emplace(entry.key(), entry.value());
  if (weights_.empty()) {
    open_ = std::make_shared<const OpenModel>(folder, compute_);
    return;
  }
  Checkpoint live = live_checkpoint(folder, weights_);
  open_ = std::make_shared<const OpenModel>(live, live, compute_);
}

Graph Engine::graph_of(const std::string& settings) const {
  const DiscoverRequest r = request_of(settings);
  return r.graph.graph(open_->model.architecture());
}

std::string Engine::describe(const std::string& settings) const {
  const Graph graph = graph_of(settings);
  const Architecture& a = open_->model.architecture();
  Json json = graph_json(graph);
  json.update({{"family", a.family},
               {"parameters", open_->model.parameter_count()},
               {"layers", a.n_layers},
               {"heads", a.n_heads},
               {"kv_heads", a.n_kv_heads},
               {"d_model", a.d_model},
               {"d_head", a.d_head},
               {"vocab", a.vocab}});
  return json.dump();
}

Engine::TaskPointer Engine::start(Task::Work work, Stopping stopping, int64_t threads) {
  if (busy_->exchange(true)) fail("model", "is at work for another thread. Wait for it, or open the model twice.");
  ComputeSpec compute = compute_;
  compute.threads = static_cast<int>(threads);
  return c10::make_intrusive<Task>(
      [work = std::move(work), compute, open = open_, busy = busy_](Task& task) {
        struct Free {
          std::atomic<bool>& busy;
          ~Free() { busy = false; }
        } const free{*busy};
        apply_compute(compute);
        return work_of_rank(work, task);
      },
      stopping);
}

Engine::TaskPointer Engine::discover(const std::string& settings, const std::string& data,
                                     const std::string& ablation_data, const std::string& held_out, int64_t threads) {
  DiscoverRequest r = request_of(settings);
  r.target.held_out = held_out;
  r.model = open_->checkpoint.directory();
  r.data = data;
  r.ablation_data = ablation_data;
  r.compute = compute_;
  return start(
      [r, open = open_](Task&) {
        const Discovered found = circuit::discover(r, *open);
        Result result;
        result.json = discovered_json(found);
        result.json["selected"] = found.selected.circuit.edges;
        result.tensors["scores"] = tensor_of(found.result.scores.values);
        if (!found.selected.stability.empty()) result.tensors["stability"] = tensor_of(found.selected.stability);
        return result;
      },
      Stopping::kAtOnce, threads);
}

Engine::TaskPointer Engine::evaluate(const std::string& settings, const std::string& circuit, const std::string& data,
                                     const std::string& ablation_data, const std::string& against, int64_t threads) {
  EvaluateRequest r;
  parse_config(settings, kPlace, settings_of(&r));
  r.model = open_->checkpoint.directory();
  r.circuit = circuit;
  r.data = data;
  r.ablation_data = ablation_data;
  r.against = against;
  r.compute = compute_;
  return start(
      [r, open = open_](Task&) {
        const EvaluatedFile found = evaluate_file(r, *open);
        Result result;
        result.json = evaluation_json(found.evaluation, r.metric, r.ablation->name, found.against);
        return result;
      },
      Stopping::kAtOnce, threads);
}

Engine::TaskPointer Engine::tune(const std::string& settings, bool resume, int64_t threads) {
  RunConfig config;
  parse_config(settings, kPlace, config.settings());
  if (resume) {
    const std::string folder = config.run.path;
    config = read_run_config(folder);
    config.run.path = folder;
  } else {
    check_config(config, kPlace);
    check_new_folder("run.path", config.run.path);
  }
  ComputeSpec compute = compute_;
  compute.threads = static_cast<int>(threads);
  return start(
      [config, compute, weights = weights_](Task& task) {
        RunHost host;
        host.weights = weights;
        host.after_step = [&](const StepReport& report) { task.pause_at(report_json(report)); };
        const RunSummary summary = execute_run(config, compute, Checks::kUsual, host);
        Result result;
        result.json = run_json(config, summary);
        result.json["interrupted"] = summary.interrupted;
        return result;
      },
      Stopping::kPolite, threads);
}

std::vector<int64_t> Engine::select(const std::string& settings, const at::Tensor& scores) const {
  const DiscoverRequest r = request_of(settings);
  const Graph graph = r.graph.graph(open_->model.architecture());
  const SliceTable slices(graph, open_->model);
  const EdgeScores values = scores_of(scores, graph);
  Rng rng = Rng(r.seed).split("selection");
  return find_selector(r.selection.kind).select({graph, values, slices}, r.selection, rng).edges;
}

void Engine::write_circuit(const std::string& path, const std::string& settings, const at::Tensor& scores,
                           const std::vector<int64_t>& edges, const std::string& meta) const {
  const Graph graph = graph_of(settings);
  write_circuit_json(path, open_->model.architecture(), graph, scores_of(scores, graph), circuit_of(edges, graph),
                     parse_json(meta, "meta").get<std::map<std::string, std::string>>());
}

std::tuple<std::string, at::Tensor> Engine::read_circuit(const std::string& path, const std::string& settings) const {
  const CircuitFile file = circuit::read_circuit(path, graph_of(settings));
  return {Json({{"edges", file.circuit.edges}, {"meta", file.meta}}).dump(), tensor_of(file.scores.values)};
}

std::string Engine::draw(const std::string& settings, const at::Tensor& scores,
                         const std::vector<int64_t>& edges) const {
  const Graph graph = graph_of(settings);
  return to_svg(graph, circuit_of(edges, graph), scores_of(scores, graph));
}

std::string Engine::slices(const std::string& settings, const std::string& circuit) const {
  RunConfig config;
  parse_config(settings, kPlace, config.settings());
  const Graph graph = config.discovery.graph.graph(open_->model.architecture());
  const SliceTable table(graph, open_->model);
  const CircuitFile file = circuit::read_circuit(circuit, graph);
  Json list = Json::array();
  for (const int64_t id : table.of_circuit(file.circuit, config.tuning.slices)) {
    const Slice& s = table[id];
    list.push_back({{"node", s.node},
                    {"tensor", open_->model.file_name(s.tensor)},
                    {"dim", s.dim},
                    {"start", s.start},
                    {"length", s.length}});
  }
  return list.dump();
}

}  // namespace circuit::python
