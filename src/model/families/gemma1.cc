// Gemma 1: Llama with the embedding times √d_model, norms stored as γ − 1 and GeGLU.
#include <cmath>

#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_gemma1_config(const Json& config, const std::string& place) {
  require_size(config, "head_dim", place);  // no default: hidden_size / num_attention_heads is another size
  LlamaLike like;
  like.default_kv_heads = 16;
  like.default_activation = "gelu_pytorch_tanh";
  like.default_tied = true;
  Architecture a = read_llama_like(config, place, like);
  a.family = "gemma";
  // The first files say "gelu" and mean the other one, as transformers 5 reads them; it has no use for
  // hidden_activation.
  Activation& activation = a.every_layer().mlp.activation;
  if (activation == Activation::kGeluErf) activation = Activation::kGeluTanh;
  a.norm.offset = 1;
  a.embedding.scale = std::sqrt(static_cast<double>(a.d_model));
  a.every_layer().attention.qkv_bias = a.every_layer().attention.out_bias =
      optional_bool(config, "attention_bias", false, place);
  return a;
}

}  // namespace

Family gemma_family() { return {"gemma", read_gemma1_config, llama_like_layout}; }

}  // namespace circuit
