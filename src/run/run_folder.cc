#include "run/run_folder.h"

#include <circuit/version.h>

#include <ctime>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>

#include "core/error.h"
#include "core/log.h"
#include "core/setting_name.h"
#include "io/files.h"
#include "io/json.h"
#include "model/initialise.h"
#include "ranks/communicator.h"
#include "run/run_inputs.h"
#include "store/recorder.h"
#include "store/run_reader.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

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

// A run resumes from any folder.
void make_paths_absolute(RunConfig* config) {
  const auto absolute = [](std::string* path) {
    if (!path->empty()) *path = fs::absolute(*path).lexically_normal().string();
  };
  for (const Setting& setting : config->settings()) {
    if (!setting.is_path) continue;
    if (auto* const* path = std::get_if<std::string*>(&setting.value)) absolute(*path);
    if (auto* const* paths = std::get_if<std::vector<std::string>*>(&setting.value)) {
      for (std::string& path : **paths) absolute(&path);
    }
  }
}

}  // namespace

void check_same_dtype(const RunConfig& config, const ComputeSpec& compute) {
  const std::optional<std::string> begun = RunReader(config.run.path).meta("dtype");
  if (!begun || *begun == compute.dtype) return;
  fail(setting("dtype"), "the run began with {0}, not {1}. Resume it with {2} {0}.", *begun, compute.dtype,
       setting("dtype"));
}

void create_run(const RunConfig& config, const ComputeSpec& compute, const TuneModel& model,
                const ParameterStore& store) {
  RunConfig resolved = config;
  make_paths_absolute(&resolved);
  const Architecture& a = model.open.model.architecture();
  const Graph& g = model.graph;
  const Json architecture = {
      {"family", a.family},         {"n_layers", a.n_layers}, {"n_heads", a.n_heads},
      {"n_kv_heads", a.n_kv_heads}, {"d_model", a.d_model},   {"d_head", a.d_head},
      {"d_mlp", a.d_mlp},           {"vocab", a.vocab},       {"parameters", model.open.model.parameter_count()}};
  Json graph = {{"n_layers", g.n_layers()},   {"n_heads", g.n_heads()},   {"n_kv_heads", g.n_kv_heads()},
                {"ungrouped", g.ungrouped()}, {"parallel", g.parallel()}, {"mlp_blocks", g.mlp_blocks()},
                {"edges", g.n_edges()}};
  if (g.routers()) graph["routed_experts"] = g.routed_experts();
  if (!g.dense_layers().empty()) graph["dense_layers"] = g.dense_layers();
  const std::string text = print_config(resolved.settings());
  const std::map<std::string, std::string> meta{
      {"program_version", CIRCUIT_VERSION},
      {"created", utc_now()},
      {"method", config.tuning.method},
      {"selection", config.selection.kind},
      {"model", resolved.model.path},
      {"dtype", compute.dtype},
      {"architecture", architecture.dump()},
      {"graph", graph.dump()},
      {"upstream_nodes", names_json([&](int64_t i) { return g.upstream_name(i); }, g.n_upstream()).dump()},
      {"downstream_nodes", names_json([&](int64_t i) { return g.downstream_name(i); }, g.n_downstream()).dump()},
      {"config", text},
      {"base_sha256", base_sums(model.open.checkpoint)},
      {"data_sha256", data_sums(config)},
      {"status", "running"}};
  write_directory(config.run.path, IfExists::kRefuse, [&](const std::string& folder) {
    write_file(folder + "/config.toml", text);
    make_directories(folder + "/checkpoints");
    Recorder::create(folder + "/run.db", g, store.table(), meta);
  });
}

RunConfig with_initial_weights(RunConfig config) {
  if (config.model.init == ModelSource::Init::kPretrained) return config;
  const std::string folder = config.run.path + ".init";
  write_initial_checkpoint(config.model.path, static_cast<uint64_t>(config.tuning.batches.seed), folder);
  log_info("{}: new weights for {}", folder, config.model.path);
  from_first(world(), "new weights", true);  // they are there
  config.model.path = folder;
  config.model.init = ModelSource::Init::kPretrained;
  return config;
}

}  // namespace circuit
