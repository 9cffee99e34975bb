#include "model/families/gemma.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace circuit {
namespace {

// Which layers have a window.
std::vector<bool> read_layer_types(const Json& config, const std::string& place, int64_t n_layers,
                                   const WindowPattern& pattern) {
  std::vector<bool> windowed;
  const auto types = config.find("layer_types");
  if (types == config.end() || types->is_null()) {
    const int64_t every =
        pattern.key.empty() ? pattern.fallback : optional_int(config, pattern.key, pattern.fallback, place);
    if (every < 1) fail(place, "{}: found {}, expected a positive number.", pattern.key, every);
    for (int64_t l = 0; l < n_layers; ++l) windowed.push_back((l + 1) % every != 0);
    return windowed;
  }
  if (!types->is_array()) fail(place, "layer_types: found a {}, expected an array.", types->type_name());
  for (const Json& type : *types) {
    if (type != "sliding_attention" && type != "full_attention") {
      fail(place, "layer_types: {} is not supported. Known: full_attention, sliding_attention.", type.dump());
    }
    windowed.push_back(type == "sliding_attention");
  }
  if (static_cast<int64_t>(windowed.size()) != n_layers) {
    fail(place, "layer_types: found {} of them, expected num_hidden_layers = {}.", windowed.size(), n_layers);
  }
  return windowed;
}

}  // namespace

Architecture read_gemma(const Json& config, const std::string& place, const WindowPattern& pattern) {
  require_size(config, "head_dim", place);  // no default: hidden_size / num_attention_heads is another size
  Architecture a = read_llama_like(config, place);
  a.norm.offset = 1;
  a.embedding.scale = std::sqrt(static_cast<double>(a.d_model));
  LayerSpec& whole = a.every_layer();
  whole.norm_outputs();
  whole.mlp.activation = parse_activation(optional_string(config, "hidden_activation", "gelu_pytorch_tanh", place),
                                          "hidden_activation", place);
  whole.attention.query_scalar = read_positive(config, "query_pre_attn_scalar", 256, place);
  whole.attention.qkv_bias = whole.attention.out_bias = optional_bool(config, "attention_bias", false, place);
  a.head.tied = optional_bool(config, "tie_word_embeddings", true, place);
  if (optional_bool(config, "use_bidirectional_attention", false, place)) {
    fail(place, "use_bidirectional_attention = true is not supported.");
  }
  const std::vector<bool> windowed = read_layer_types(config, place, a.n_layers, pattern);
  const int64_t local = std::count(windowed.begin(), windowed.end(), true);
  if (local == 0) return a;
  const int64_t window = require_size(config, "sliding_window", place);
  a.kind_of_layer.assign(windowed.begin(), windowed.end());
  LayerSpec windowed_layer = whole;
  windowed_layer.attention.window = window;
  a.layer_kinds.push_back(std::move(windowed_layer));
  a.notes.push_back(
      fmt::format("sliding_window = {}: in {} of {} layers a token attends to itself and the {} before it", window,
                  local, a.n_layers, window - 1));
  return a;
}

std::optional<double> read_softcap(const Json& config, const std::string& key, std::optional<double> fallback,
                                   const std::string& place) {
  const auto found = config.find(key);
  if (found == config.end()) return fallback;
  if (found->is_null()) return std::nullopt;
  return read_positive(config, key, 0, place);
}

}  // namespace circuit
