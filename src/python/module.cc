// torch.classes.circuit_tuning and torch.ops.circuit_tuning.
#include <circuit/version.h>

#include "core/log.h"
#include "core/names.h"
#include "core/setting_name.h"
#include "dynamics/analysis_text.h"
#include "model/onednn_products.h"
#include "python/engine.h"
#include "python/graph_json.h"
#include "python/kept_blocks.h"
#include "python/ranks.h"
#include "python/requests.h"
#include "run/run_states.h"
#include "store/query_text.h"
#include "store/recorded_circuit.h"

namespace circuit::python {
namespace {

std::string keyword(const std::string& setting) { return setting.substr(setting.rfind('.') + 1) + "="; }

// An analysis of a run by name, as its JSON.
c10::intrusive_ptr<Task> analyse(const std::string& run, const std::string& name, const std::string& settings) {
  AnalyseRequest r;
  parse_config(settings, kPlace, settings_of(&r));
  return c10::make_intrusive<Task>(
      [run, name, r](Task&) {
        const Analysis& analysis = find_named(analyses(), "analyse", name);
        RecordedRun recorded(run);
        std::unique_ptr<RunStates> states;
        if (analysis.needs_models) states = std::make_unique<RunStates>(run, ComputeSpec(), r.states);
        Result result;
        result.json = analysis_json(analysis, analysis.run({recorded, states.get(), static_cast<uint64_t>(r.seed)}));
        return result;
      },
      Stopping::kAtOnce);
}

std::string analysis_names() {
  Json names = Json::object();
  for (const Analysis& a : analyses()) names[a.name] = a.help;
  return names.dump();
}

std::string query(const std::string& run, const std::string& sql) { return query_text(run, sql, QueryForm::kJson); }

// The circuit that a run trained at a step (−1: the last): {"step", "edges", "upstream", "downstream", "visible"} and
// the scores.
std::tuple<std::string, at::Tensor> recorded_circuit(const std::string& run, int64_t step) {
  const RecordedCircuit found = read_recorded_circuit(run, step < 0 ? std::nullopt : std::optional<int64_t>(step));
  Json json = graph_json(found.file.shape.graph());
  json["step"] = found.step;
  json["edges"] = found.file.circuit.edges;
  return {json.dump(), tensor_of(found.file.scores.values)};
}

std::string start() {
  write_settings_as(keyword);
  set_quiet(true);
  prepare_onednn_products();
  KeptBlocks::prepare();
  return CIRCUIT_VERSION;
}

TORCH_LIBRARY(circuit_tuning, m) {
  m.class_<Task>("Task")
      .def("poll", &Task::poll)
      .def("go_on", &Task::go_on)
      .def("stop", &Task::stop)
      .def("json", &Task::json)
      .def("tensors", &Task::tensors);
  m.class_<Engine>("Engine")
      .def(torch::init<const std::string&, const Engine::Tensors&, const std::string&>())
      .def("describe", &Engine::describe)
      .def("discover", &Engine::discover)
      .def("evaluate", &Engine::evaluate)
      .def("tune", &Engine::tune)
      .def("select", &Engine::select)
      .def("write_circuit", &Engine::write_circuit)
      .def("read_circuit", &Engine::read_circuit)
      .def("draw", &Engine::draw)
      .def("slices", &Engine::slices);
  m.def("start", start);
  m.def("join_ranks", join_ranks);
  m.def("leave_ranks", leave_ranks);
  m.def("settings", declared_settings);
  m.def("analyse", analyse);
  m.def("analysis_names", analysis_names);
  m.def("query", query);
  m.def("recorded_circuit", recorded_circuit);
}

}  // namespace
}  // namespace circuit::python
