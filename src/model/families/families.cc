#include <limits>
#include <set>

#include "core/error.h"
#include "core/names.h"
#include "model/families/family.h"

namespace circuit {
namespace {

// Products of two sizes and of a size and a layer fit 64 bits.
constexpr int64_t kMaxSize = int64_t{1} << 31;

int64_t within(int64_t value, const std::string& key, int64_t max, const std::string& place) {
  if (value < 1 || value > max) fail(place, "{}: found {}, expected 1 to {}.", key, value, max);
  return value;
}

}  // namespace

#define CIRCUIT_MADE(name) name(),
const std::vector<Family>& families() {
  static const std::vector<Family> all{CIRCUIT_FAMILIES(CIRCUIT_MADE)};
  return all;
}
#undef CIRCUIT_MADE

const Family& find_family(const Json& config, const std::string& place) {
  const std::string type = require_string(config, "model_type", place);
  for (const Family& family : families()) {
    if (family.model_type == type) return family;
  }
  static const std::set<std::string> stateful{
      "mamba",      "mamba2", "falcon_mamba",    "falcon_h1",        "jamba",      "bamba", "zamba",   "zamba2",
      "nemotron_h", "rwkv",   "recurrent_gemma", "granitemoehybrid", "qwen3_next", "lfm2",  "lfm2_moe"};
  if (stateful.count(type) > 0) {
    fail(place,
         "model_type '{}' is not supported: some of its layers carry a state from token to token (or a convolution) "
         "instead of attending, and a graph of heads has no edges for that.",
         type);
  }
  const auto text = config.find("text_config");
  if (text != config.end() && text->is_object()) {
    fail(place, "model_type '{}' is not supported: its text part is of model_type '{}'. Known: {}.", type,
         optional_string(*text, "model_type", "none", place + ", text_config"),
         joined(families(), [](const Family& family) { return family.model_type; }));
  }
  if (config.contains("auto_map")) {
    fail(place, "model_type '{}' is not supported: auto_map asks for code from a hub, which is not run. Known: {}.",
         type, joined(families(), [](const Family& family) { return family.model_type; }));
  }
  fail(place, "model_type '{}' is not supported. Known: {}.", type,
       joined(families(), [](const Family& family) { return family.model_type; }));
}

Activation parse_activation(const std::string& name, const std::string& key, const std::string& place) {
  for (const char* tanh : {"gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_accurate", "gelu_python_tanh"}) {
    if (name == tanh) return Activation::kGeluTanh;
  }
  if (name == "gelu" || name == "gelu_python") return Activation::kGeluErf;
  if (name == "silu" || name == "swish") return Activation::kSilu;
  if (name == "relu") return Activation::kRelu;
  if (name == "xielu") return Activation::kXielu;
  if (name == "relu2") return Activation::kReluSquared;
  fail(place, "{}: activation '{}' is not supported. Known: gelu_new, gelu, silu, relu, relu2, xielu.", key, name);
}

double read_positive(const Json& config, const std::string& key, double fallback, const std::string& place) {
  const double value = optional_number(config, key, fallback, place);
  if (!(value > 0)) fail(place, "{}: found {}, expected more than 0.", key, value);
  return value;
}

double read_epsilon(const Json& config, const std::string& key, double fallback, const std::string& place) {
  const double value = optional_number(config, key, fallback, place);
  // Below float32's smallest number it is zero where it is used.
  const bool fits = value >= static_cast<double>(std::numeric_limits<float>::min()) &&
                    value <= static_cast<double>(std::numeric_limits<float>::max());
  if (!fits) fail(place, "{}: found {}, expected a number above 0 that float32 holds.", key, value);
  return value;
}

std::vector<int64_t> read_eos_ids(const Json& config, const std::string& place) {
  const auto eos = config.find("eos_token_id");
  if (eos == config.end() || eos->is_null()) return {};
  if (!eos->is_array()) return {int_of(*eos, "eos_token_id", place)};
  std::vector<int64_t> ids;
  for (const Json& id : *eos) ids.push_back(int_of(id, "eos_token_id", place));
  return ids;
}

void read_token_ids(const Json& config, const std::string& place, Architecture* architecture) {
  const int64_t bos = optional_int(config, "bos_token_id", -1, place);
  if (bos >= 0) architecture->bos_id = bos;
  architecture->eos_ids = read_eos_ids(config, place);
}

int64_t require_size(const Json& config, const std::string& key, const std::string& place) {
  return within(require_int(config, key, place), key, kMaxSize, place);
}

int64_t optional_size(const Json& config, const std::string& key, int64_t fallback, const std::string& place) {
  return within(optional_int(config, key, fallback, place), key, kMaxSize, place);
}

int64_t require_layers(const Json& config, const std::string& key, const std::string& place) {
  return within(require_int(config, key, place), key, int64_t{1} << 14, place);
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
