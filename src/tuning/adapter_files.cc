#include "tuning/adapter_files.h"

#include <fmt/format.h>

#include <set>

#include "io/files.h"
#include "io/json.h"

namespace circuit {
namespace {

constexpr const char* kConfig = "/adapter_config.json";
constexpr const char* kTensors = "/adapter_model.safetensors";
constexpr const char* kRoot = "base_model.model.";

// The module's path in the model that PEFT wraps, which has the prefix whether or not the files have it.
std::string key_of(const Model& model, const LinearLayer& layer, const char* side) {
  return fmt::format("{}{}{}.{}.weight", kRoot, model.layout().prefix, layer.module, side);
}

std::string last_of(const std::string& module) { return module.substr(module.rfind('.') + 1); }

// What PEFT is to adapt: the last part of a name where every layer of that name has an adapter, else the whole name. It
// would put an adapter of its own, which does nothing, beside every other layer.
std::set<std::string> names_of_modules(const LoraStore& store, const Model& model) {
  std::set<std::string> adapted, partly, names;
  for (const LoraStore::Adapter& adapter : store.adapters()) adapted.insert(adapter.layer.module);
  for (const LinearLayer& layer : linear_layers(model, {"all-linear"})) {
    if (adapted.count(layer.module) == 0) partly.insert(last_of(layer.module));
  }
  for (const std::string& module : adapted) {
    const std::string last = last_of(module);
    names.insert(partly.count(last) > 0 ? model.layout().prefix + module : last);
  }
  return names;
}

}  // namespace

void write_adapter(const LoraStore& store, const Model& model, const std::string& base, const std::string& folder) {
  NamedTensors tensors;
  bool transposed = false;
  Json ranks = Json::object(), alphas = Json::object();
  for (const LoraStore::Adapter& adapter : store.adapters()) {
    tensors.emplace_back(key_of(model, adapter.layer, "lora_A"), adapter.a);
    tensors.emplace_back(key_of(model, adapter.layer, "lora_B"), adapter.b);
    transposed = transposed || adapter.layer.transposed;
    const int64_t rank = store.spec().rank_of(adapter.layer.tensor);
    if (rank == store.spec().rank) continue;
    // PEFT's patterns are of a module's path at its end.
    const std::string module = model.layout().prefix + adapter.layer.module;
    ranks[module] = rank;
    alphas[module] = store.scale() * static_cast<double>(rank);
  }
  const Json config = {{"peft_type", "LORA"},
                       {"task_type", "CAUSAL_LM"},
                       {"base_model_name_or_path", base},
                       {"r", store.spec().rank},
                       {"lora_alpha", store.spec().alpha},
                       {"lora_dropout", 0.0},
                       {"target_modules", names_of_modules(store, model)},
                       // Conv1D stores [in, out].
                       {"fan_in_fan_out", !transposed},
                       {"bias", "none"},
                       {"use_rslora", false},
                       {"use_dora", false},
                       {"modules_to_save", nullptr},
                       {"layers_to_transform", nullptr},
                       {"layers_pattern", nullptr},
                       {"rank_pattern", ranks},
                       {"alpha_pattern", alphas},
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

}  // namespace circuit
