#include "model/families/gemma.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace circuit {
Architecture read_gemma(const Json& config, const std::string& place, const WindowPattern& pattern) {
  require_size(config, "head_dim", place);  // no default: hidden_size / num_attention_heads is another size
  LlamaLike like;
  like.default_kv_heads = 4;
  Architecture a = read_llama_like(config, place, like);
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
  const std::vector<bool> windowed = read_windowed_layers(config, place, a.n_layers, pattern);
  const bool any = std::find(windowed.begin(), windowed.end(), true) != windowed.end();
  if (any) set_windows(&a, windowed, require_size(config, "sliding_window", place));
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
