#include "tuning/run_checkpoint.h"

#include <ATen/ops/tensor.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <type_traits>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "store/number_json.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;
constexpr const char* kValues = "/slices.safetensors";
constexpr const char* kStates = "/optimizer.safetensors";
constexpr const char* kState = "/state.json";
constexpr const char* kPolicy = "/policy.safetensors";

void save_policy(const std::string& path, const PolicyState& policy) {
  NamedTensors tensors;
  if (!policy.smoothed.empty()) tensors.emplace_back("smoothed", at::tensor(policy.smoothed, at::kFloat));
  if (!policy.edges.empty()) tensors.emplace_back("edges", at::tensor(policy.edges, at::kLong));
  if (!tensors.empty()) save_tensors(path, tensors, {});
}

PolicyState load_policy(const std::string& path) {
  PolicyState policy;
  if (!file_exists(path)) return policy;
  const TensorFile file(path);
  const auto values = [&](const std::string& name, at::ScalarType type, auto* out) {
    if (!file.contains(name)) return;
    const at::Tensor t = file.tensor(name);
    if (t.scalar_type() != type || t.dim() != 1) fail(path, "'{}' has another type or shape than a run writes.", name);
    using Value = typename std::decay_t<decltype(*out)>::value_type;
    out->assign(t.data_ptr<Value>(), t.data_ptr<Value>() + t.numel());
  };
  values("smoothed", at::kFloat, &policy.smoothed);
  values("edges", at::kLong, &policy.edges);
  return policy;
}

// "wte.weight[0:0:50257]" → "wte.weight"
std::string tensor_of(const std::string& key) { return key.substr(0, key.rfind('[')); }

}  // namespace

std::string checkpoint_folder(const std::string& run, int64_t step) {
  return fmt::format("{}/checkpoints/step-{:06}", run, step);
}

void save_checkpoint(const std::string& run, const ParameterStore& store, const Checkpoint& base,
                     const RunState& state) {
  const NamedTensors values = store.value_tensors();
  Json hashes = Json::object();
  for (const auto& [key, tensor] : values) {
    const std::string name = tensor_of(key);
    if (!hashes.contains(name)) hashes[name] = base.sha256(name);
  }
  Json json = {{"step", state.step},
               {"current_slices", store.current()},
               {"best_metric", number_json(state.best_metric)},
               {"evaluations_since_best", state.evaluations_since_best}};
  if (state.best_step) json["best_step"] = *state.best_step;
  if (state.evaluation_due) json["evaluation_due"] = true;
  write_directory(checkpoint_folder(run, state.step), IfExists::kReplace, [&](const std::string& folder) {
    save_tensors(folder + kValues, values, {{"step", std::to_string(state.step)}, {"base_sha256", hashes.dump()}});
    save_tensors(folder + kStates, store.state_tensors(), {{"step", std::to_string(state.step)}});
    save_policy(folder + kPolicy, state.policy);
    write_file(folder + kState, json.dump(1) + "\n");
  });
}

std::vector<int64_t> checkpoint_steps(const std::string& run) {
  std::vector<int64_t> steps;
  std::error_code ignored;
  for (const auto& item : fs::directory_iterator(run + "/checkpoints", ignored)) {
    const std::string name = item.path().filename().string();
    // "step-000500" exactly: a folder still being written has a longer name.
    if (name.size() < 11 || name.rfind("step-", 0) != 0) continue;
    int64_t step = 0;
    const auto parsed = std::from_chars(name.data() + 5, name.data() + name.size(), step);
    if (parsed.ec == std::errc() && parsed.ptr == name.data() + name.size() && step >= 0) steps.push_back(step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

void remove_checkpoint(const std::string& run, int64_t step) {
  std::error_code ignored;
  fs::remove_all(checkpoint_folder(run, step), ignored);
}

void remove_unfinished(const std::string& run) {
  std::error_code ignored;
  std::vector<fs::path> unfinished;
  for (const std::string& folder : {run, run + "/checkpoints"}) {
    for (const auto& item : fs::directory_iterator(folder, ignored)) {
      if (item.path().filename().string().find(".tmp-") != std::string::npos) unfinished.push_back(item.path());
    }
  }
  for (const fs::path& path : unfinished) fs::remove_all(path, ignored);
}

namespace {

// Its state.json.
Json restore_store(const std::string& folder, const Checkpoint& base, const TensorFile* states, ParameterStore& store) {
  const std::string state_path = folder + kState;
  Json json = read_json(state_path);
  const TensorFile values(folder + kValues);
  const auto metadata = values.header().metadata.find("base_sha256");
  if (metadata == values.header().metadata.end()) fail(values.path(), "base_sha256 is missing from its metadata.");
  const Json hashes = parse_json(metadata->second, values.path() + ", base_sha256");
  for (const auto& [name, hash] : hashes.items()) {
    if (base.contains(name) && hash.is_string() && base.sha256(name) == hash.get<std::string>()) continue;
    fail(folder, "tensor '{}' of {} is not the one this run started from. Put the base model back.", name,
         base.directory());
  }
  const Json& current = require(json, "current_slices", state_path);
  if (!current.is_array()) fail(state_path, "current_slices: expected a list.");
  std::vector<int64_t> ids;
  for (const Json& id : current) {
    ids.push_back(int_of(id, "current_slices", state_path));
  }
  store.restore(values, states, ids);
  return json;
}

}  // namespace

void load_values(const std::string& run, int64_t step, const Checkpoint& base, ParameterStore& store) {
  const std::string folder = checkpoint_folder(run, step);
  // A checkpoint of which a part is damaged is none, whatever part is read.
  const TensorFile unread(folder + kStates);
  restore_store(folder, base, nullptr, store);
}

RunState load_checkpoint(const std::string& run, int64_t step, const Checkpoint& base, ParameterStore& store) {
  const std::string folder = checkpoint_folder(run, step);
  const std::string state_path = folder + kState;
  const TensorFile states(folder + kStates);
  const Json json = restore_store(folder, base, &states, store);
  RunState state;
  state.step = require_int(json, "step", state_path);
  state.policy = load_policy(folder + kPolicy);
  if (json.contains("best_step")) state.best_step = require_int(json, "best_step", state_path);
  state.best_metric = number_of(require(json, "best_metric", state_path), "best_metric", state_path);
  state.evaluation_due = optional_bool(json, "evaluation_due", false, state_path);
  state.evaluations_since_best = optional_int(json, "evaluations_since_best", 0, state_path);
  return state;
}

}  // namespace circuit
