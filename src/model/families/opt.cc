// OPT: learned positions whose table starts two rows late, LayerNorm before each block, ReLU, separate projections as
// Linear [out, in] with biases, tied head. The 350M model norms after each block and projects its embeddings: refused.
#include "core/error.h"
#include "model/families/family.h"

namespace circuit {
namespace {

Architecture read_opt_config(const Json& config, const std::string& place) {
  Architecture a;
  a.family = "opt";
  a.n_layers = require_layers(config, "num_hidden_layers", place);
  a.n_heads = require_size(config, "num_attention_heads", place);
  a.n_kv_heads = a.n_heads;
  a.d_model = require_size(config, "hidden_size", place);
  if (a.d_model % a.n_heads != 0) {
    fail(place, "hidden_size {} is not divisible by num_attention_heads {}.", a.d_model, a.n_heads);
  }
  a.d_head = a.d_model / a.n_heads;
  a.d_mlp = require_size(config, "ffn_dim", place);
  a.vocab = require_size(config, "vocab_size", place);
  a.n_positions = require_size(config, "max_position_embeddings", place);
  a.embedding.position_offset = 2;
  a.embedding.learned_positions = true;
  a.norm.kind = NormKind::kLayerNorm;
  LayerSpec& layer = a.every_layer();
  layer.mlp.activation =
      parse_activation(optional_string(config, "activation_function", "relu", place), "activation_function", place);
  layer.attention.qkv_bias = layer.attention.out_bias = layer.mlp.bias =
      optional_bool(config, "enable_bias", true, place);
  a.head.tied = optional_bool(config, "tie_word_embeddings", true, place);
  const int64_t projected = optional_int(config, "word_embed_proj_dim", a.d_model, place);
  if (projected != a.d_model) {
    fail(place, "word_embed_proj_dim: found {}, expected hidden_size = {}.", projected, a.d_model);
  }
  for (const char* key : {"do_layer_norm_before", "layer_norm_elementwise_affine"}) {
    if (!optional_bool(config, key, true, place)) fail(place, "{} = false is not supported.", key);
  }
  if (optional_bool(config, "_remove_final_layer_norm", false, place)) {
    fail(place, "_remove_final_layer_norm = true is not supported.");
  }
  read_token_ids(config, place, &a);
  note_dropout(config, &a);
  return a;
}

Layout opt_layout(const Architecture& a) {
  const int64_t d = a.d_model;
  Layout all;
  all.prefix = "model.";
  const auto need = [&](const std::string& name, std::vector<int64_t> shape) {
    all.tensors.push_back({name, std::move(shape)});
    return name;
  };
  all.embedding = need("decoder.embed_tokens.weight", {a.vocab, d});
  all.positions = need("decoder.embed_positions.weight", {a.n_positions + a.embedding.position_offset, d});
  for (int64_t l = 0; l < a.n_layers; ++l) {
    const std::string at = "decoder.layers." + std::to_string(l) + ".";
    // Linear weights are [out, in]: outputs are split along dimension 0, inputs along 1.
    const auto split = [&](const std::string& name, std::vector<int64_t> shape, int64_t dim, int64_t unit) {
      const int64_t units = shape[dim] / unit;
      const bool matrix = shape.size() == 2;
      return TensorRef{need(at + name, std::move(shape)), dim, 0, unit, unit, units, matrix};
    };
    LayerLayout layer;
    layer.attn_norm = need(at + "self_attn_layer_norm.weight", {d});
    layer.attn_norm_bias = need(at + "self_attn_layer_norm.bias", {d});
    layer.w_q = split("self_attn.q_proj.weight", {d, d}, 0, a.d_head);
    layer.w_k = split("self_attn.k_proj.weight", {d, d}, 0, a.d_head);
    layer.w_v = split("self_attn.v_proj.weight", {d, d}, 0, a.d_head);
    layer.w_o = split("self_attn.out_proj.weight", {d, d}, 1, a.d_head);
    layer.mlp_norm = need(at + "final_layer_norm.weight", {d});
    layer.mlp_norm_bias = need(at + "final_layer_norm.bias", {d});
    layer.w_in = split("fc1.weight", {a.d_mlp, d}, 0, 1);
    layer.w_out = split("fc2.weight", {d, a.d_mlp}, 1, 1);
    if (a.layer(l).attention.qkv_bias) {
      layer.b_q = split("self_attn.q_proj.bias", {d}, 0, a.d_head);
      layer.b_k = split("self_attn.k_proj.bias", {d}, 0, a.d_head);
      layer.b_v = split("self_attn.v_proj.bias", {d}, 0, a.d_head);
      layer.b_o = need(at + "self_attn.out_proj.bias", {d});
      layer.b_in = split("fc1.bias", {a.d_mlp}, 0, 1);
      layer.b_out = need(at + "fc2.bias", {d});
    }
    all.layers.push_back(layer);
  }
  all.final_norm = need("decoder.final_layer_norm.weight", {d});
  all.final_norm_bias = need("decoder.final_layer_norm.bias", {d});
  all.unembedding = a.head.tied ? all.embedding : need("lm_head.weight", {a.vocab, d});
  return all;
}

}  // namespace

Family opt_family() { return {"opt", read_opt_config, opt_layout}; }

}  // namespace circuit
