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
  // Keys that the format does not have: the MLP is four times as wide, the activation GELU's tanh form, and any number
  // of positions can be worked.
  Json whole = config;
  whole["intermediate_size"] = 4 * require_size(config, "hidden_size", place);
  whole["max_position_embeddings"] = optional_size(config, "seq_length", 2048, place);
  whole["hidden_act"] = "gelu_pytorch_tanh";
  whole.erase("num_key_value_heads");
  Architecture a = read_llama_like(whole, place, like);
  a.family = "bloom";
  a.embedding.norm = true;
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = layer.mlp.bias = true;
  layer.attention.alibi = alibi_slopes(a.n_heads, 8, AlibiOrder::kInterleavedLast);
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
