#include "model/families/llama_like.h"

#include <algorithm>

#include "core/error.h"

namespace circuit {
namespace {

bool has_value(const Json& config, const char* key) { return config.contains(key) && !config.at(key).is_null(); }

bool has_null(const Json& config, const char* key) { return config.contains(key) && config.at(key).is_null(); }

RotarySpec read_rotary(const Json& config, const std::string& place, int64_t d_head, const LlamaLike& like) {
  const double share = read_rotary_share(config, like.default_share, place);
  if (!like.partial && share != 1) fail(place, "partial_rotary_factor: found {}, expected 1.", share);
  RotarySpec rotary;
  rotary.theta = read_positive(config, "rope_theta", like.default_theta, place);
  rotary.dims = static_cast<int64_t>(share * static_cast<double>(d_head));
  if (rotary.dims < 2 || rotary.dims > d_head || rotary.dims % 2 != 0) {
    fail(place, "partial_rotary_factor: {} of head_dim {} is no even number of channels.", share, d_head);
  }
  rotary.interleaved = like.interleaved;
  read_rope_scaling(config, place, &rotary);
  return rotary;
}

}  // namespace

Architecture read_llama_like(const Json& file, const std::string& place, const LlamaLike& like) {
  Json config = file;
  std::string where;
  if (*like.default_rope != '\0' && rope_object(config, place, &where).empty()) {
    config["rope_parameters"] = parse_json(like.default_rope, "rope_parameters");
  }
  Architecture a;
  a.n_layers = require_layers(config, like.layers, place);
  a.n_heads = require_size(config, like.heads, place);
  a.n_kv_heads = optional_size(
      config, "num_key_value_heads",
      has_null(config, "num_key_value_heads") || like.default_kv_heads == 0 ? a.n_heads : like.default_kv_heads, place);
  a.d_model = require_size(config, like.width, place);
  if (!has_value(config, "head_dim") && a.d_model % a.n_heads != 0) {
    fail(place, "{} {} is not divisible by {} {}, and there is no head_dim.", like.width, a.d_model, like.heads,
         a.n_heads);
  }
  a.d_head = has_value(config, "head_dim") ? require_size(config, "head_dim", place) : a.d_model / a.n_heads;
  a.d_mlp = like.inner_is_four_widths && !has_value(config, like.inner) ? 4 * a.d_model
                                                                        : require_size(config, like.inner, place);
  a.vocab = require_size(config, "vocab_size", place);
  a.n_positions = require_size(config, like.positions, place);
  if (a.n_heads % a.n_kv_heads != 0) {
    fail(place, "num_key_value_heads {} does not divide num_attention_heads {}.", a.n_kv_heads, a.n_heads);
  }
  if (like.rotary && (a.d_head < 2 || a.d_head % 2 != 0)) {
    fail(place, "head_dim: found {}, expected a positive even size.", a.d_head);
  }
  a.norm.kind = like.norm;
  a.norm.eps = read_epsilon(config, like.epsilon, like.default_epsilon, place);
  LayerSpec& layer = a.every_layer();
  layer.mlp.activation = parse_activation(optional_string(config, like.activation, like.default_activation, place),
                                          like.activation, place);
  layer.mlp.gated = like.gated;
  if (like.rotary) layer.attention.rotary = read_rotary(config, place, a.d_head, like);
  a.head.tied = optional_bool(config, "tie_word_embeddings", like.default_tied, place);
  read_token_ids(config, place, &a);
  note_dropout(config, &a);
  return a;
}

void read_experts(const Json& config, const std::string& place, const ExpertKeys& keys, Architecture* a) {
  ExpertsSpec& experts = a->every_layer().mlp.experts;
  // One family's files of different years name it differently.
  const char* routed = keys.routed;
  for (const char* other : {"num_experts", "num_local_experts"}) {
    if (!config.contains(routed) && config.contains(other)) routed = other;
  }
  experts.routed = require_size(config, routed, place);
  if (experts.routed < 2) fail(place, "{}: found {}, expected at least 2.", routed, experts.routed);
  experts.chosen = optional_size(config, keys.chosen, keys.default_chosen, place);
  if (experts.chosen > experts.routed) {
    fail(place, "{}: found {}, expected at most {} = {}.", keys.chosen, experts.chosen, routed, experts.routed);
  }
  experts.width = require_size(config, keys.width, place);
  if (*keys.normalised != '\0')
    experts.normalised = optional_bool(config, keys.normalised, keys.default_normalised, place);
  if (*keys.shared_width != '\0') {
    const int64_t width = require_size(config, keys.shared_width, place);
    if (width % experts.width != 0) {
      fail(place, "{}: found {}, expected a multiple of {} = {}: its parts are nodes of that width.", keys.shared_width,
           width, keys.width, experts.width);
    }
    experts.shared = width / experts.width;
    experts.shared_gate = true;
  }
  if (*keys.shared_count != '\0') experts.shared = require_size(config, keys.shared_count, place);
  if (experts.count() > (int64_t{1} << 31) / experts.width) {
    fail(place, "{} {} of {} channels are too many.", routed, experts.routed, experts.width);
  }
  a->d_mlp = experts.count() * experts.width;
}

void set_dense_layers(Architecture* a, const std::vector<bool>& dense, int64_t channels, const std::string& place) {
  const int64_t count = std::count(dense.begin(), dense.end(), true);
  if (count == a->n_layers) {
    fail(place,
         "no layer of {} has experts (mlp_only_layers, decoder_sparse_step, first_k_dense_replace): not supported.",
         a->n_layers);
  }
  a->change_layers(dense, [&](LayerSpec& layer) {
    layer.mlp.experts = {};
    layer.mlp.channels = channels;
  });
  if (count > 0) a->notes.push_back(fmt::format("{} of {} layers have one MLP and no experts", count, a->n_layers));
}

void read_dense_layers(const Json& config, const std::string& place, Architecture* a) {
  const int64_t step = optional_int(config, "decoder_sparse_step", 1, place);
  if (step < 1) fail(place, "decoder_sparse_step: found {}, expected at least 1.", step);
  std::vector<bool> dense;
  for (int64_t l = 0; l < a->n_layers; ++l) dense.push_back((l + 1) % step != 0);
  const auto only = config.find("mlp_only_layers");
  if (only != config.end() && !only->is_null()) {
    if (!only->is_array()) fail(place, "mlp_only_layers: found a {}, expected an array.", only->type_name());
    for (const Json& layer : *only) {
      // A layer that the model does not have is none, as in transformers.
      if (!layer.is_number_integer()) fail(place, "mlp_only_layers: found {}, expected layers.", layer.dump());
      const auto l = layer.get<int64_t>();
      if (l >= 0 && l < a->n_layers) dense[l] = true;
    }
  }
  if (std::find(dense.begin(), dense.end(), true) == dense.end()) return;
  set_dense_layers(a, dense, require_size(config, "intermediate_size", place), place);
}

void read_qwen_windows(const Json& config, const std::string& place, Architecture* a) {
  const bool windows = optional_bool(config, "use_sliding_window", false, place);
  const auto types = config.find("layer_types");
  if (types != config.end() && !types->is_null()) {
    const std::vector<bool> windowed = read_windowed_layers(config, place, a->n_layers, {"", 0});
    const bool any = std::find(windowed.begin(), windowed.end(), true) != windowed.end();
    if (any && !windows) fail(place, "layer_types: sliding_attention is not supported without use_sliding_window.");
    if (any) set_windows(a, windowed, optional_size(config, "sliding_window", 4096, place));
    return;
  }
  if (!windows) return;
  const int64_t first = optional_int(config, "max_window_layers", 28, place);
  std::vector<bool> windowed;
  for (int64_t l = 0; l < a->n_layers; ++l) windowed.push_back(l >= first);
  set_windows(a, windowed, optional_size(config, "sliding_window", 4096, place));
}

void read_clip(const Json& config, const std::string& place, Architecture* a) {
  if (!has_value(config, "clip_qkv")) return;
  const double clip = read_positive(config, "clip_qkv", 1, place);
  for (LayerSpec& kind : a->layer_kinds) kind.attention.clip = clip;
}

void read_multipliers(const Json& config, const std::string& place, Architecture* a) {
  LayerSpec& layer = a->every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = optional_bool(config, "attention_bias", false, place);
  const double attention = read_positive(config, "attention_multiplier", 1, place);
  layer.attention.query_scalar = 1 / (attention * attention);
  layer.residual = read_positive(config, "residual_multiplier", 1, place);
  a->embedding.scale = read_positive(config, "embedding_multiplier", 1, place);
  a->head.scale = 1 / read_positive(config, "logits_scaling", 1, place);
}

std::vector<bool> read_windowed_layers(const Json& config, const std::string& place, int64_t n_layers,
                                       const WindowPattern& pattern) {
  std::vector<bool> windowed;
  const auto types = config.find("layer_types");
  if (types == config.end() || types->is_null()) {
    const int64_t every =
        pattern.key.empty() ? pattern.fallback : optional_int(config, pattern.key, pattern.fallback, place);
    if (every == 0 && pattern.fallback == 0) return std::vector<bool>(n_layers, false);
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

void set_windows(Architecture* a, const std::vector<bool>& windowed, int64_t window) {
  const int64_t local = std::count(windowed.begin(), windowed.end(), true);
  if (local == 0) return;
  a->change_layers(windowed, [&](LayerSpec& layer) { layer.attention.window = window; });
  a->notes.push_back(
      fmt::format("sliding_window = {}: in {} of {} layers a token attends to itself and the {} before it", window,
                  local, a->n_layers, window - 1));
}

void refuse_key(const Json& config, const std::string& key, const std::string& place) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null() || *found == false) return;
  fail(place, "{} = {} is not supported.", key, found->dump());
}

}  // namespace circuit
