// BLOOM: ALiBi instead of positions, a norm of the embedding, q, k and v head by head in one tensor, LayerNorm, biases.
#include "core/error.h"
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_bloom_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.layers = "n_layer";
  like.heads = "n_head";
  like.norm = NormKind::kLayerNorm;
  like.epsilon = "layer_norm_epsilon";
  like.default_epsilon = 1e-5;
  like.gated = false;
  like.rotary = false;
  like.default_tied = true;
  // The published files' older names.
  Json whole = config;
  for (const auto& [key, older] :
       {std::pair("hidden_size", "n_embed"), {"n_head", "num_attention_heads"}, {"n_layer", "num_hidden_layers"}}) {
    if (!whole.contains(key) && whole.contains(older)) whole[key] = whole.at(older);
  }
  // Keys that the format does not have: the MLP is four times as wide, the activation GELU's tanh form, and any number
  // of positions can be worked.
  whole["intermediate_size"] = 4 * require_size(whole, "hidden_size", place);
  whole["max_position_embeddings"] = optional_size(config, "seq_length", 2048, place);
  whole["hidden_act"] = "gelu_pytorch_tanh";
  whole.erase("num_key_value_heads");
  Architecture a = read_llama_like(whole, place, like);
  a.family = "bloom";
  a.embedding.norm = true;
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = layer.mlp.bias = true;
  layer.attention.alibi = alibi_slopes(a.n_heads, 8, AlibiOrder::kInterleavedLast);
  if (optional_bool(config, "slow_but_exact", false, place) && optional_int(config, "pretraining_tp", 1, place) > 1) {
    fail(place,
         "slow_but_exact = true beside pretraining_tp > 1 is not supported: transformers then leaves biases out.");
  }
  refuse_key(config, "apply_residual_connection_post_layernorm", place);
  return a;
}

Layout bloom_layout(const Architecture& a) {
  LayoutNames names;
  names.prefix = "transformer.";
  names.embedding = "word_embeddings";
  names.embedding_norm = "word_embeddings_layernorm";
  names.final_norm = "ln_f";
  names.layer = "h.";
  names.qkv = "self_attention.query_key_value";
  names.order = FusedOrder::kByHead;
  names.o = "self_attention.dense";
  names.in = "mlp.dense_h_to_4h";
  names.out = "mlp.dense_4h_to_h";
  names.norm_bias = true;
  return layout_by_names(a, names);
}

}  // namespace

Family bloom_family() { return {"bloom", read_bloom_config, bloom_layout}; }

}  // namespace circuit
