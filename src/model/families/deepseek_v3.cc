// DeepSeek V3 and R1: latent attention, a router of sigmoids with a bias where it chooses, shared experts.
#include "core/error.h"
#include "model/families/deepseek.h"

namespace circuit {
namespace {

Architecture read_deepseek_v3_config(const Json& config, const std::string& place) {
  ExpertKeys keys;
  keys.routed = "n_routed_experts";
  keys.default_chosen = 8;
  keys.width = "moe_intermediate_size";
  keys.shared_count = "n_shared_experts";
  keys.normalised = "norm_topk_prob";
  keys.default_normalised = true;
  Architecture a = read_deepseek(config, place, keys);
  a.family = "deepseek_v3";
  const std::string scoring = optional_string(config, "scoring_func", "sigmoid", place);
  if (scoring != "sigmoid") fail(place, "scoring_func: found '{}', expected 'sigmoid'.", scoring);
  a.every_layer().mlp.experts.router = RouterKind::kSigmoid;
  read_expert_groups(config, place, 2, &a);
  read_score_temperature(config, place, &a);
  const bool interleaved = optional_bool(config, "rope_interleave", true, place);
  for (LayerSpec& kind : a.layer_kinds) kind.attention.rotary->interleaved = interleaved;
  return a;
}

}  // namespace

Family deepseek_v3_family() { return {"deepseek_v3", read_deepseek_v3_config, deepseek_layout}; }

}  // namespace circuit
