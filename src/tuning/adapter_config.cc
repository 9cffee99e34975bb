#include "tuning/adapter_config.h"

#include <algorithm>
#include <cmath>
#include <regex>

#include "core/error.h"

namespace circuit {
namespace {

constexpr const char* kMergeElsewhere = "Merge the adapter with the program that made it.";

// Read here, or without a meaning for the merged weights.
constexpr const char* kKnown[] = {
    "peft_type", "task_type", "auto_mapping", "base_model_name_or_path", "revision", "inference_mode", "peft_version",
    "r", "lora_alpha", "lora_dropout", "use_rslora", "rank_pattern", "alpha_pattern", "target_modules",
    "exclude_modules", "layers_to_transform", "layers_pattern", "init_lora_weights", "use_dora", "lora_bias",
    "modules_to_save", "trainable_token_indices",
    // Only the kind of layer decides: PEFT corrects it for Conv1D and for Linear.
    "fan_in_fan_out",
    // How init_lora_weights was done, which is checked, and where tensors lie while training.
    "loftq_config", "eva_config", "corda_config", "lora_ga_config", "runtime_config", "megatron_core",
    "ensure_weight_tying", "qalora_group_size"};

bool says_nothing(const Json& value) {
  return value.is_null() || value == false || ((value.is_structured() || value.is_string()) && value.empty());
}

void check_start_values(const Json& config, const std::string& place) {
  const auto found = config.find("init_lora_weights");
  if (found == config.end() || found->is_null() || found->is_boolean()) return;
  if (!found->is_string()) {
    fail(place, "init_lora_weights: found a {}, expected true, false or a name.", found->type_name());
  }
  std::string name = found->get<std::string>();
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char* harmless : {"true", "false", "gaussian", "eva", "orthogonal"}) {
    if (name == harmless) return;
  }
  fail(place,
       "init_lora_weights: '{}' is not supported: such an adapter may belong to a changed base (W - s B0 A0), which is "
       "not in its files. Save it converted to plain LoRA (PEFT: path_initial_model_for_weight_conversion).",
       found->get<std::string>());
}

bool is_or_ends(const std::string& module, const std::string& name) {
  if (module == name) return true;
  return module.size() > name.size() && module.compare(module.size() - name.size(), name.size(), name) == 0 &&
         module[module.size() - name.size() - 1] == '.';
}

// As PEFT's check_target_module_exists: a list of names or ends of names, or a pattern of the whole name.
bool names_module(const Json& names, const std::string& module, const std::string& key, const std::string& place) {
  if (names.is_string()) {
    const auto pattern = names.get<std::string>();
    if (pattern == "all-linear") return true;
    try {
      return std::regex_match(module, std::regex(pattern));
    } catch (const std::regex_error&) {
      fail(place, "{}: the pattern '{}' is not understood. Give a list of names.", key, pattern);
    }
  }
  if (!names.is_array()) fail(place, "{}: found a {}, expected a list or a pattern.", key, names.type_name());
  for (const Json& name : names) {
    if (!name.is_string()) fail(place, "{}: found a {}, expected strings.", key, name.type_name());
    if (is_or_ends(module, name.get<std::string>())) return true;
  }
  return false;
}

// "transformer.h.3.attn.c_attn" → 3; −1 where no part of the name is a number.
int64_t layer_of(const std::string& module) {
  std::smatch found;
  return std::regex_search(module, found, std::regex("\\.([0-9]{1,9})\\.")) ? std::stoll(found[1]) : -1;
}

}  // namespace

AdapterConfig AdapterConfig::read(const std::string& path) {
  AdapterConfig read;
  read.place_ = path;
  read.config_ = read_json(path, NonFinite::kKeep);
  const Json& config = read.config_;
  if (!config.is_object()) fail(path, "found a {}, expected an object.", config.type_name());
  const std::string type = optional_string(config, "peft_type", "", path);
  if (type != "LORA") fail(path, "peft_type: found '{}', expected LORA.", type);
  check_start_values(config, path);
  const std::string bias = optional_string(config, "bias", "none", path);
  if (bias != "none" && bias != "lora_only" && bias != "all") {
    fail(path, "bias: found '{}', expected none, lora_only or all.", bias);
  }
  for (const auto& [key, value] : config.items()) {
    const auto is_key = [&k = key](const char* known) { return k == known; };
    if (key == "bias" || std::any_of(std::begin(kKnown), std::end(kKnown), is_key)) continue;
    if (key == "alora_invocation_tokens" && !value.is_null()) {
      fail(path, "{}: an adapter that acts after certain tokens only cannot be merged into the weights.", key);
    }
    if (!says_nothing(value))
      fail(path, "{}: found {}, which is not supported. {}", key, value.dump(), kMergeElsewhere);
  }
  return read;
}

std::optional<double> AdapterConfig::of_pattern(const char* key, const std::string& module) const {
  const auto patterns = config_.find(key);
  if (patterns == config_.end() || patterns->is_null()) return std::nullopt;
  if (!patterns->is_object()) fail(place_, "{}: found a {}, expected an object.", key, patterns->type_name());
  std::optional<double> value;
  std::string chosen;
  for (const auto& [pattern, number] : patterns->items()) {
    // PEFT: re.match(r"(.*\.)?(PATTERN)$", name).
    bool found = false;
    try {
      found = std::regex_match(module, std::regex("(.*\\.)?(" + pattern + ")"));
    } catch (const std::regex_error&) {
      fail(place_, "{}: the pattern '{}' is not understood. {}", key, pattern, kMergeElsewhere);
    }
    if (!found) continue;
    if (value) {
      fail(place_, "{}: '{}' and '{}' both fit {}, and which comes first decides. {}", key, chosen, pattern, module,
           kMergeElsewhere);
    }
    value = require_number(*patterns, pattern, place_ + ", " + key);
    chosen = pattern;
  }
  return value;
}

void AdapterConfig::check_named(const std::string& module) const {
  const auto given = [&](const char* key) { return config_.contains(key) && !says_nothing(config_.at(key)); };
  const auto left_out = [&](const char* key) {
    fail(place_, "{}: leaves out {}, of which the file has tensors: PEFT would not load them.", key, module);
  };
  if (given("target_modules") && !names_module(config_["target_modules"], module, "target_modules", place_)) {
    left_out("target_modules");
  }
  if (given("exclude_modules") && names_module(config_["exclude_modules"], module, "exclude_modules", place_)) {
    left_out("exclude_modules");
  }
  if (!config_.contains("layers_to_transform") || config_["layers_to_transform"].is_null()) return;
  const Json& layers = config_["layers_to_transform"];
  bool named = false;
  for (const Json& layer : layers.is_array() ? layers : Json::array({layers})) {
    named = named || int_of(layer, "layers_to_transform", place_) == layer_of(module);
  }
  if (!named) left_out("layers_to_transform");
}

bool AdapterConfig::uses_dora() const { return optional_bool(config_, "use_dora", false, place_); }

bool AdapterConfig::saves_biases() const { return optional_string(config_, "bias", "none", place_) == "all"; }

bool AdapterConfig::has_lora_bias() const { return optional_bool(config_, "lora_bias", false, place_); }

bool AdapterConfig::has_tokens() const {
  const auto found = config_.find("trainable_token_indices");
  return found != config_.end() && !says_nothing(*found);
}

std::vector<std::string> AdapterConfig::saved() const {
  const auto names = config_.find("modules_to_save");
  if (names == config_.end() || says_nothing(*names)) return {};
  if (!names->is_array()) fail(place_, "modules_to_save: found a {}, expected a list.", names->type_name());
  std::vector<std::string> saved;
  for (const Json& name : *names) {
    if (!name.is_string()) fail(place_, "modules_to_save: found a {}, expected strings.", name.type_name());
    saved.push_back(name.get<std::string>());
  }
  return saved;
}

// PEFT: a module whose path ends so, without regard to where a name in it begins.
bool AdapterConfig::saves(const std::string& module) const {
  const std::vector<std::string> names = saved();
  return std::any_of(names.begin(), names.end(), [&](const std::string& end) {
    return module.size() >= end.size() && module.compare(module.size() - end.size(), end.size(), end) == 0;
  });
}

std::vector<int64_t> AdapterConfig::token_indices(const std::string& module) const {
  constexpr const char* key = "trainable_token_indices";
  const auto found = config_.find(key);
  const Json* list = found == config_.end() ? nullptr : &*found;
  if (list != nullptr && list->is_object()) {
    const Json* of_module = nullptr;
    for (const auto& [name, ids] : list->items()) {
      if (is_or_ends(module, name)) of_module = &ids;
    }
    list = of_module;
  }
  if (list == nullptr || !list->is_array()) fail(place_, "{}: names no tokens of {}.", key, module);
  std::vector<int64_t> ids;
  for (const Json& id : *list) {
    ids.push_back(int_of(id, key, place_));
    if (ids.back() < 0) fail(place_, "{}: found {}, expected token ids.", key, ids.back());
  }
  return ids;
}

double AdapterConfig::scale(const std::string& module, int64_t rank) const {
  check_named(module);
  const double expected = of_pattern("rank_pattern", module).value_or(optional_number(config_, "r", 8, place_));
  const auto r = static_cast<double>(rank);
  if (expected != r) fail(place_, "r: found {} for {}, whose tensors have rank {}.", expected, module, rank);
  const double alpha = of_pattern("alpha_pattern", module).value_or(optional_number(config_, "lora_alpha", 8, place_));
  return alpha / (optional_bool(config_, "use_rslora", false, place_) ? std::sqrt(r) : r);
}

}  // namespace circuit
