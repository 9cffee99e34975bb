// Granite: Llama with multipliers of the embedding, the scores, what blocks write, and the logits.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_config(const Json& config, const std::string& place) {
  Architecture a = read_llama_like(config, place);
  a.family = "granite";
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = optional_bool(config, "attention_bias", false, place);
  layer.mlp.bias = optional_bool(config, "mlp_bias", false, place);
  const double attention = read_positive(config, "attention_multiplier", 1, place);
  layer.attention.query_scalar = 1 / (attention * attention);
  layer.residual = read_positive(config, "residual_multiplier", 1, place);
  a.embedding.scale = read_positive(config, "embedding_multiplier", 1, place);
  a.head.scale = 1 / read_positive(config, "logits_scaling", 1, place);
  return a;
}

}  // namespace

Family granite_family() { return {"granite", read_config, llama_like_layout}; }

}  // namespace circuit
