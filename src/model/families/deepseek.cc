#include "model/families/deepseek.h"

#include <cmath>

#include "core/error.h"

namespace circuit {
namespace {

void read_latents(const Json& config, const std::string& place, Architecture* a) {
  AttentionSpec& attention = a->every_layer().attention;
  const int64_t rotated = a->d_head;  // as read_deepseek has it read
  const int64_t plain = require_size(config, "qk_nope_head_dim", place);
  a->d_head = plain + rotated;
  a->d_value = require_size(config, "v_head_dim", place);
  attention.rotary->first = plain;
  if (a->n_kv_heads != a->n_heads) {
    fail(place, "num_key_value_heads: found {}, expected num_attention_heads = {}.", a->n_kv_heads, a->n_heads);
  }
  LatentSpec latent;
  const auto rank = config.find("q_lora_rank");
  if (rank == config.end()) fail(place, "key 'q_lora_rank' is missing: null where queries have no latent.");
  if (!rank->is_null()) latent.q_rank = require_size(config, "q_lora_rank", place);
  latent.kv_rank = require_size(config, "kv_lora_rank", place);
  latent.bias = attention.out_bias = optional_bool(config, "attention_bias", false, place);
  attention.latent = latent;
}

}  // namespace

Architecture read_deepseek(const Json& config, const std::string& place, const ExpertKeys& keys) {
  // Positions are those of heads as wide as what rotates: files say so, or say nothing.
  Json of_rotated = config;
  of_rotated["head_dim"] = require_size(config, "qk_rope_head_dim", place);
  LlamaLike like;
  like.interleaved = true;
  Architecture a = read_llama_like(of_rotated, place, like);
  read_latents(config, place, &a);
  const int64_t inner = a.d_mlp;
  const int64_t dense = optional_int(config, "first_k_dense_replace", 0, place);
  const int64_t every = optional_int(config, "moe_layer_freq", 1, place);
  if (every != 1) fail(place, "moe_layer_freq: found {}, expected 1.", every);
  read_experts(config, place, keys, &a);
  a.every_layer().mlp.experts.scale = read_positive(config, "routed_scaling_factor", 1, place);
  a.every_layer().mlp.experts.wide_router = true;
  std::vector<bool> is_dense;
  for (int64_t l = 0; l < a.n_layers; ++l) is_dense.push_back(l < dense);
  set_dense_layers(&a, is_dense, inner, place);
  return a;
}

void read_expert_groups(const Json& config, const std::string& place, int64_t best, Architecture* a) {
  const int64_t groups = require_size(config, "n_group", place);
  const int64_t chosen = require_size(config, "topk_group", place);
  ExpertsSpec& experts = a->every_layer().mlp.experts;
  if (experts.routed % groups != 0 || experts.routed / groups < best) {
    fail(place, "n_group: found {}, expected a divisor of the {} experts with at least {} in each.", groups,
         experts.routed, best);
  }
  if (chosen > groups) fail(place, "topk_group: found {}, expected at most n_group = {}.", chosen, groups);
  if (experts.chosen > chosen * (experts.routed / groups)) {
    fail(place, "num_experts_per_tok: found {}, expected no more than {} groups of {} have.", experts.chosen, chosen,
         experts.routed / groups);
  }
  experts.groups = groups;
  experts.chosen_groups = chosen;
}

void read_score_temperature(const Json& config, const std::string& place, Architecture* a) {
  std::string where;
  const Json rope = rope_object(config, place, &where);
  const double of_all = optional_number(rope, "mscale_all_dim", 0, where);
  // Of every type that has a factor, not of yarn alone.
  const double factor = optional_number(rope, "factor", 1, where);
  const std::string type = optional_string(rope, "rope_type", optional_string(rope, "type", "default", where), where);
  if (of_all == 0 || factor <= 1 || type == "default") return;
  const double scale = 0.1 * of_all * std::log(factor) + 1;
  for (LayerSpec& kind : a->layer_kinds) {
    kind.attention.query_scalar = static_cast<double>(a->d_head) / std::pow(scale, 4);
  }
}

Layout deepseek_layout(const Architecture& architecture) {
  LayoutNames names;
  names.shared = "mlp.shared_experts.";
  return layout_by_names(architecture, names);
}

}  // namespace circuit
