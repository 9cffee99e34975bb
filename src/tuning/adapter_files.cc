#include "tuning/adapter_files.h"

#include <set>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "model/finite.h"
#include "tuning/adapter_config.h"

namespace circuit {
namespace {

constexpr const char* kConfig = "/adapter_config.json";
constexpr const char* kTensors = "/adapter_model.safetensors";
constexpr const char* kRoot = "base_model.model.";

// The module's path in the model that PEFT wraps, which has the prefix whether or not the files have it.
std::string key_of(const Model& model, const LinearLayer& layer, const char* side) {
  return fmt::format("{}{}{}.{}.weight", kRoot, model.layout().prefix, layer.module, side);
}

}  // namespace

void write_adapter(const LoraStore& store, const Model& model, const std::string& base, const std::string& folder) {
  NamedTensors tensors;
  std::set<std::string> modules;
  bool transposed = false;
  for (const LoraStore::Adapter& adapter : store.adapters()) {
    tensors.emplace_back(key_of(model, adapter.layer, "lora_A"), adapter.a);
    tensors.emplace_back(key_of(model, adapter.layer, "lora_B"), adapter.b);
    modules.insert(adapter.layer.module.substr(adapter.layer.module.rfind('.') + 1));
    transposed = transposed || adapter.layer.transposed;
  }
  const Json config = {{"peft_type", "LORA"},
                       {"task_type", "CAUSAL_LM"},
                       {"base_model_name_or_path", base},
                       {"r", store.spec().rank},
                       {"lora_alpha", store.spec().alpha},
                       {"lora_dropout", 0.0},
                       {"target_modules", modules},
                       // Conv1D stores [in, out].
                       {"fan_in_fan_out", !transposed},
                       {"bias", "none"},
                       {"use_rslora", false},
                       {"use_dora", false},
                       {"modules_to_save", nullptr},
                       {"layers_to_transform", nullptr},
                       {"layers_pattern", nullptr},
                       {"rank_pattern", Json::object()},
                       {"alpha_pattern", Json::object()},
                       {"init_lora_weights", true},
                       {"inference_mode", true},
                       {"auto_mapping", nullptr},
                       {"revision", nullptr}};
  write_directory(folder, IfExists::kRefuse, [&](const std::string& inside) {
    save_tensors(inside + kTensors, tensors, {{"format", "pt"}});
    write_file(inside + kConfig, config.dump(2) + "\n");
  });
}

bool is_adapter(const std::string& folder) { return file_exists(folder + kConfig); }

std::map<std::string, at::Tensor> merge_adapter(const Checkpoint& base, const Model& model, const std::string& folder) {
  const AdapterConfig config = AdapterConfig::read(folder + kConfig);
  const TensorFile file(folder + kTensors);
  std::map<std::string, at::Tensor> changed;
  size_t used = 0;
  for (const LinearLayer& layer : linear_layers(model, {"all-linear"})) {
    const std::string a_name = key_of(model, layer, "lora_A");
    const std::string b_name = key_of(model, layer, "lora_B");
    if (!file.contains(a_name) && !file.contains(b_name)) continue;
    if (!file.contains(a_name) || !file.contains(b_name)) {
      fail(file.path(), "'{}' is there without its other half.", file.contains(a_name) ? a_name : b_name);
    }
    const at::Tensor a = file.tensor(a_name);
    const at::Tensor b = file.tensor(b_name);
    const bool fits = a.dim() == 2 && b.dim() == 2 && a.size(1) == layer.inputs && b.size(0) == layer.outputs &&
                      a.size(0) == b.size(1) && a.size(0) > 0;
    if (!fits) {
      fail(file.path(), "'{}' and its lora_B do not have the shapes [r, {}] and [{}, r].", a_name, layer.inputs,
           layer.outputs);
    }
    require_finite(a, a_name, file.path());
    require_finite(b, b_name, file.path());
    const double scale = config.scale(model.layout().prefix + layer.module, a.size(0));
    const std::string name = model.file_name(layer.tensor);
    changed[name] = merged(base.tensor(name).clone(), a.to(at::kFloat), b.to(at::kFloat), scale, layer.transposed);
    used += 2;
  }
  if (used == file.header().tensors.size()) return changed;
  for (const TensorEntry& entry : file.header().tensors) {
    bool known = false;
    for (const LinearLayer& layer : linear_layers(model, {"all-linear"})) {
      known = known || entry.name == key_of(model, layer, "lora_A") || entry.name == key_of(model, layer, "lora_B");
    }
    if (!known) fail(file.path(), "'{}' belongs to no linear layer of this model.", entry.name);
  }
  fail(file.path(), "there is no adapter in it.");
}

}  // namespace circuit
