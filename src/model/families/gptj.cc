// GPT-J: attention and MLP read the stream through one norm, interleaved rotary positions on some channels, a bias of
// the logits.
#include "model/families/gptj.h"

#include "core/error.h"

namespace circuit {

Architecture read_gptj(const Json& config, const std::string& place) {
  LlamaLike like;
  like.layers = "n_layer";
  like.heads = "n_head";
  like.width = "n_embd";
  like.inner = "n_inner";
  like.inner_is_four_widths = true;
  like.positions = "n_positions";
  like.activation = "activation_function";
  like.norm = NormKind::kLayerNorm;
  like.epsilon = "layer_norm_epsilon";
  like.default_epsilon = 1e-5;
  like.default_activation = "gelu_new";
  like.gated = false;
  like.interleaved = true;
  Architecture a = read_llama_like(config, place, like);
  a.family = "gptj";
  LayerSpec& layer = a.every_layer();
  layer.attention.rotary->dims = optional_size(config, "rotary_dim", 64, place);
  if (layer.attention.rotary->dims > a.d_head || layer.attention.rotary->dims % 2 != 0) {
    fail(place, "rotary_dim: found {}, expected an even number up to {}.", layer.attention.rotary->dims, a.d_head);
  }
  layer.mlp.bias = true;
  layer.set_parallel(true);
  a.head.bias = true;
  return a;
}

LayoutNames gptj_names() {
  LayoutNames names;
  names.prefix = "transformer.";
  names.embedding = "wte";
  names.final_norm = "ln_f";
  names.layer = "h.";
  names.attn_norm = "ln_1";
  names.mlp_norm = "ln_1";
  names.o = "attn.out_proj";
  names.in = "mlp.fc_in";
  names.out = "mlp.fc_out";
  names.norm_bias = true;
  return names;
}

namespace {

Layout gptj_layout(const Architecture& a) {
  LayoutNames names = gptj_names();
  names.q = "attn.q_proj";
  names.k = "attn.k_proj";
  names.v = "attn.v_proj";
  return layout_by_names(a, names);
}

}  // namespace

Family gptj_family() { return {"gptj", read_gptj, gptj_layout}; }

}  // namespace circuit
