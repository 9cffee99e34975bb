// Falcon: its blocks side by side, through one norm, or two in the newer form; rotary positions, or ALiBi, which is
// rounded to BF16 and divided by √d_head with the scores; q, k and v in one tensor in three orders.
#include <cmath>

#include "core/error.h"
#include "model/families/llama_like.h"

namespace circuit {
namespace {

bool newer(const Json& config, const std::string& place) {
  return optional_bool(config, "new_decoder_architecture", false, place);
}

bool two_norms(const Json& config, const std::string& place) {
  if (!newer(config, place)) return false;
  const auto found = config.find("num_ln_in_parallel_attn");
  return found == config.end() || found->is_null() || optional_int(config, "num_ln_in_parallel_attn", 2, place) == 2;
}

Architecture read_falcon_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.inner = "ffn_hidden_size";
  like.inner_is_four_widths = true;
  like.activation = "activation";
  like.norm = NormKind::kLayerNorm;
  like.epsilon = "layer_norm_epsilon";
  like.default_epsilon = 1e-5;
  like.default_activation = "gelu";
  like.gated = false;
  like.default_tied = true;
  like.rotary = !optional_bool(config, "alibi", false, place);
  Json whole = config;
  const int64_t heads = require_size(config, "num_attention_heads", place);
  const bool one_key = optional_bool(config, "multi_query", true, place);
  // Only the newer form says how many key/value heads there are; what stands beside the older ones is not read.
  const int64_t kv_heads =
      newer(config, place) ? optional_size(config, "num_kv_heads", heads, place) : (one_key ? 1 : heads);
  whole["num_key_value_heads"] = kv_heads;
  whole["max_position_embeddings"] = optional_size(config, "max_position_embeddings", 2048, place);
  Architecture a = read_llama_like(whole, place, like);
  a.family = "falcon";
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = layer.mlp.bias = optional_bool(config, "bias", false, place);
  layer.set_parallel(newer(config, place) || optional_bool(config, "parallel_attn", true, place));
  layer.separate_norms = two_norms(config, place);
  if (!like.rotary) {
    layer.attention.alibi = alibi_slopes(a.n_heads, 8, AlibiOrder::kInterleavedLast);
    layer.attention.alibi_bf16 = true;
    layer.attention.alibi_factor = 1 / std::sqrt(static_cast<double>(a.d_head));
  }
  layer.grouped_projections = newer(config, place);
  return a;
}

Layout falcon_layout(const Architecture& a) {
  const LayerSpec& layer = a.layer(0);
  LayoutNames names;
  names.prefix = "transformer.";
  names.embedding = "word_embeddings";
  names.final_norm = "ln_f";
  names.layer = "h.";
  if (layer.separate_norms) {
    names.attn_norm = "ln_attn";
    names.mlp_norm = "ln_mlp";
  } else if (layer.parallel()) {
    names.mlp_norm = "input_layernorm";
  }
  names.qkv = "self_attention.query_key_value";
  names.order = layer.grouped_projections
                    ? FusedOrder::kByGroup
                    : (a.n_kv_heads == 1 && a.n_heads > 1 ? FusedOrder::kSideBySide : FusedOrder::kByHead);
  names.o = "self_attention.dense";
  names.in = "mlp.dense_h_to_4h";
  names.out = "mlp.dense_4h_to_h";
  names.norm_bias = true;
  return layout_by_names(a, names);
}

}  // namespace

Family falcon_family() { return {"falcon", read_falcon_config, falcon_layout}; }

}  // namespace circuit
