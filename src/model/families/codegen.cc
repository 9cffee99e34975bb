// CodeGen: GPT-J with q, k and v of all heads in one tensor, in four chunks.
#include "core/error.h"
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_config(const Json& config, const std::string& place) {
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
  a.family = "codegen";
  if (a.n_heads % 4 != 0) fail(place, "n_head: found {}, expected a multiple of 4.", a.n_heads);
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

Layout layout(const Architecture& a) {
  LayoutNames names;
  names.prefix = "transformer.";
  names.embedding = "wte";
  names.final_norm = "ln_f";
  names.layer = "h.";
  names.attn_norm = "ln_1";
  names.mlp_norm = "ln_1";
  names.qkv = "attn.qkv_proj";
  names.order = FusedOrder::kInChunks;
  names.o = "attn.out_proj";
  names.in = "mlp.fc_in";
  names.out = "mlp.fc_out";
  names.norm_bias = true;
  return layout_by_names(a, names);
}

}  // namespace

Family codegen_family() { return {"codegen", read_config, layout}; }

}  // namespace circuit
