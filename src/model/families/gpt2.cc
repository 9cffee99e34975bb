// GPT-2: learned positions, LayerNorm, fused q|k|v as Conv1D [in, out], tied or untied head.
#include "core/error.h"
#include "model/families/family.h"

namespace circuit {
namespace {

Architecture read_gpt2_config(const Json& config, const std::string& place) {
  Architecture a;
  a.family = "gpt2";
  a.n_layers = require_layers(config, "n_layer", place);
  a.n_heads = require_size(config, "n_head", place);
  a.n_kv_heads = a.n_heads;
  a.d_model = require_size(config, "n_embd", place);
  if (a.d_model % a.n_heads != 0) fail(place, "n_embd {} is not divisible by n_head {}.", a.d_model, a.n_heads);
  a.d_head = a.d_model / a.n_heads;
  a.d_mlp = optional_size(config, "n_inner", 4 * a.d_model, place);
  a.vocab = require_size(config, "vocab_size", place);
  a.n_positions = require_size(config, "n_positions", place);
  a.norm.kind = NormKind::kLayerNorm;
  a.norm.eps = read_epsilon(config, "layer_norm_epsilon", 1e-5, place);
  LayerSpec& layer = a.every_layer();
  layer.mlp.activation =
      parse_activation(optional_string(config, "activation_function", "gelu_new", place), "activation_function", place);
  layer.attention.qkv_bias = layer.attention.out_bias = layer.mlp.bias = true;
  a.embedding.learned_positions = true;
  a.head.tied = optional_bool(config, "tie_word_embeddings", true, place);
  const double scalar = optional_bool(config, "scale_attn_weights", true, place) ? static_cast<double>(a.d_head) : 1;
  layer.attention.query_scalar = scalar;
  if (optional_bool(config, "scale_attn_by_inverse_layer_idx", false, place)) {
    // Scores of layer l are divided by l + 1 too: each layer is of its own kind.
    for (int64_t l = 1; l < a.n_layers; ++l) {
      std::vector<bool> one(static_cast<size_t>(a.n_layers), false);
      one[l] = true;
      a.change_layers(one, [&](LayerSpec& kind) {
        kind.attention.query_scalar = scalar * static_cast<double>(l + 1) * static_cast<double>(l + 1);
      });
    }
  }
  if (optional_bool(config, "add_cross_attention", false, place)) {
    fail(place, "add_cross_attention = true is not supported.");
  }
  read_token_ids(config, place, &a);
  note_dropout(config, &a);
  return a;
}

Layout gpt2_layout(const Architecture& a) {
  const int64_t d = a.d_model;
  Layout all;
  all.prefix = "transformer.";
  all.embedding = "wte.weight";
  all.positions = "wpe.weight";
  all.unembedding = a.head.tied ? all.embedding : "lm_head.weight";
  all.final_norm = "ln_f.weight";
  all.final_norm_bias = "ln_f.bias";
  all.tensors = {{all.embedding, {a.vocab, d}}, {all.positions, {a.n_positions, d}}};
  for (int64_t l = 0; l < a.n_layers; ++l) {
    const std::string at = "h." + std::to_string(l) + ".";
    const auto heads = [&](const std::string& tensor, int64_t dim, int64_t first) {
      return TensorRef{tensor, dim, first, a.d_head, a.d_head, a.n_heads, false};
    };
    const auto channels = [&](const std::string& tensor, int64_t dim) {
      return TensorRef{tensor, dim, 0, 1, 1, a.d_mlp, false};
    };
    LayerLayout layer;
    layer.w_q = heads(at + "attn.c_attn.weight", 1, 0);
    layer.w_k = heads(at + "attn.c_attn.weight", 1, d);
    layer.w_v = heads(at + "attn.c_attn.weight", 1, 2 * d);
    layer.b_q = heads(at + "attn.c_attn.bias", 0, 0);
    layer.b_k = heads(at + "attn.c_attn.bias", 0, d);
    layer.b_v = heads(at + "attn.c_attn.bias", 0, 2 * d);
    layer.w_o = heads(at + "attn.c_proj.weight", 0, 0);
    layer.b_o = at + "attn.c_proj.bias";
    layer.w_in = channels(at + "mlp.c_fc.weight", 1);
    layer.b_in = channels(at + "mlp.c_fc.bias", 0);
    layer.w_out = channels(at + "mlp.c_proj.weight", 0);
    layer.b_out = at + "mlp.c_proj.bias";
    layer.attn_norm = at + "ln_1.weight";
    layer.attn_norm_bias = at + "ln_1.bias";
    layer.mlp_norm = at + "ln_2.weight";
    layer.mlp_norm_bias = at + "ln_2.bias";
    for (const TensorShape& t : std::vector<TensorShape>{{layer.attn_norm, {d}},
                                                         {layer.attn_norm_bias, {d}},
                                                         {layer.w_q.tensor, {d, 3 * d}},
                                                         {layer.b_q.tensor, {3 * d}},
                                                         {layer.w_o.tensor, {d, d}},
                                                         {layer.b_o, {d}},
                                                         {layer.mlp_norm, {d}},
                                                         {layer.mlp_norm_bias, {d}},
                                                         {layer.w_in.tensor, {d, a.d_mlp}},
                                                         {layer.b_in.tensor, {a.d_mlp}},
                                                         {layer.w_out.tensor, {a.d_mlp, d}},
                                                         {layer.b_out, {d}}}) {
      all.tensors.push_back(t);
    }
    all.layers.push_back(layer);
  }
  all.tensors.push_back({all.final_norm, {d}});
  all.tensors.push_back({all.final_norm_bias, {d}});
  if (!a.head.tied) all.tensors.push_back({all.unembedding, {a.vocab, d}});
  return all;
}

}  // namespace

Family gpt2_family() { return {"gpt2", read_gpt2_config, gpt2_layout}; }

}  // namespace circuit
