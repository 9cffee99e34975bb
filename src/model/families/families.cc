#include "core/names.h"
#include "model/families/family.h"

namespace circuit {
namespace {

int64_t require_within(const Json& config, const std::string& key, int64_t max, const std::string& place) {
  const int64_t value = require_int(config, key, place);
  if (value < 1 || value > max) fail(place, "{}: found {}, expected 1 to {}.", key, value, max);
  return value;
}

}  // namespace

const std::vector<Family>& families() {
  static const std::vector<Family> all{
      gpt2_family(),  llama_family(),  mistral_family(),     qwen2_family(),  gpt_neox_family(),
      qwen3_family(), gemma2_family(), gemma3_text_family(), gemma3_family(), opt_family(),
  };
  return all;
}

const Family& find_family(const Json& config, const std::string& place) {
  const std::string type = require_string(config, "model_type", place);
  for (const Family& family : families()) {
    if (family.model_type == type) return family;
  }
  fail(place, "model_type '{}' is not supported. Known: {}.", type,
       joined(families(), [](const Family& family) { return family.model_type; }));
}

Activation parse_activation(const std::string& name, const std::string& key, const std::string& place) {
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") return Activation::kGeluTanh;
  if (name == "gelu") return Activation::kGeluErf;
  if (name == "silu" || name == "swish") return Activation::kSilu;
  if (name == "relu") return Activation::kRelu;
  fail(place, "{}: activation '{}' is not supported. Known: gelu_new, gelu, silu, relu.", key, name);
}

void read_token_ids(const Json& config, const std::string& place, Architecture* architecture) {
  const int64_t bos = optional_int(config, "bos_token_id", -1, place);
  if (bos >= 0) architecture->bos_id = bos;
  const auto eos = config.find("eos_token_id");
  if (eos == config.end() || eos->is_null()) return;
  if (!eos->is_array()) {
    architecture->eos_ids.push_back(optional_int(config, "eos_token_id", -1, place));
    return;
  }
  for (const Json& id : *eos) {
    if (!id.is_number_integer()) fail(place, "eos_token_id: found a {}, expected integers.", id.type_name());
    architecture->eos_ids.push_back(id.get<int64_t>());
  }
}

int64_t require_size(const Json& config, const std::string& key, const std::string& place) {
  return require_within(config, key, int64_t{1} << 31, place);
}

int64_t require_layers(const Json& config, const std::string& key, const std::string& place) {
  return require_within(config, key, int64_t{1} << 14, place);
}

void note_dropout(const Json& config, Architecture* architecture) {
  for (const auto& [key, value] : config.items()) {
    const bool dropout = key.find("pdrop") != std::string::npos || key.find("dropout") != std::string::npos;
    if (dropout && value.is_number() && value.get<double>() > 0) {
      architecture->notes.push_back(
          fmt::format("{} = {} is ignored: dropout is never applied", key, value.get<double>()));
    }
  }
}

}  // namespace circuit
