// DeepSeek V2: latent attention, a router of a soft-max whose gates are not normalised, shared experts.
#include "core/error.h"
#include "model/families/deepseek.h"

namespace circuit {
namespace {

Architecture read_deepseek_v2_config(const Json& config, const std::string& place) {
  ExpertKeys keys;
  keys.routed = "n_routed_experts";
  keys.width = "moe_intermediate_size";
  keys.shared_count = "n_shared_experts";
  Architecture a = read_deepseek(config, place, keys);
  a.family = "deepseek_v2";
  a.every_layer().mlp.experts.normalised = false;
  refuse_key(config, "norm_topk_prob", place);
  refuse_key(config, "mlp_bias", place);
  const std::string scoring = optional_string(config, "scoring_func", "softmax", place);
  if (scoring != "softmax") fail(place, "scoring_func: found '{}', expected 'softmax'.", scoring);
  const std::string method = optional_string(config, "topk_method", "greedy", place);
  if (method == "group_limited_greedy") {
    read_expert_groups(config, place, 1, &a);
  } else if (method != "greedy") {
    fail(place, "topk_method: found '{}', expected 'greedy' or 'group_limited_greedy'.", method);
  }
  read_score_temperature(config, place, &a);
  return a;
}

}  // namespace

Family deepseek_v2_family() { return {"deepseek_v2", read_deepseek_v2_config, deepseek_layout}; }

}  // namespace circuit
