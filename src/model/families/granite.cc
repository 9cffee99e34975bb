// Granite: Llama with multipliers of the embedding, the scores, what blocks write, and the logits.
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_granite_config(const Json& config, const std::string& place) {
  Architecture a = read_llama_like(config, place);
  a.family = "granite";
  read_multipliers(config, place, &a);
  a.every_layer().mlp.bias = optional_bool(config, "mlp_bias", false, place);
  return a;
}

}  // namespace

Family granite_family() { return {"granite", read_granite_config, llama_like_layout}; }

}  // namespace circuit
