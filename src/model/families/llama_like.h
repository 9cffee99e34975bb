// What most families since Llama share: rotary positions, grouped-query attention, separate projections as Linear
// [out, in], tied or untied head; and the names of the tensors, of which a family says those that differ.
#pragma once

#include <string>

#include "model/families/family.h"

namespace circuit {

// What of it is the family's own: the keys of config.json, and what a missing one means.
struct LlamaLike {
  const char* layers = "num_hidden_layers";
  const char* heads = "num_attention_heads";
  const char* width = "hidden_size";
  const char* inner = "intermediate_size";
  bool inner_is_four_widths = false;  // where the key is missing or null; otherwise it must be there
  const char* positions = "max_position_embeddings";
  const char* activation = "hidden_act";
  NormKind norm = NormKind::kRmsNorm;
  const char* epsilon = "rms_norm_eps";
  double default_epsilon = 1e-6;
  const char* default_activation = "silu";
  bool gated = true;
  bool rotary = true;
  double default_share = 1;  // of a head's channels that rotate
  bool partial = false;      // another share than 1 may stand in config.json
  bool interleaved = false;
  bool default_tied = false;
  int64_t default_kv_heads = 0;  // 0: as many as heads
  double default_theta = 10000;
  const char* default_rope = "";  // JSON: rope_parameters where a file has neither these nor rope_scaling
};

// Everything but the family's name, biases, q/k norm, window and post-norms. Throws Error naming the key that is
// missing or not supported.
Architecture read_llama_like(const Json& config, const std::string& place, const LlamaLike& like = {});

// Qwen's windows: with use_sliding_window on the layers that layer_types says, or from max_window_layers on. Throws
// Error where layer_types asks for one without it.
void read_qwen_windows(const Json& config, const std::string& place, Architecture* architecture);

// clip_qkv, where it is a number.
void read_clip(const Json& config, const std::string& place, Architecture* architecture);

// Granite's multipliers, and its attention_bias.
void read_multipliers(const Json& config, const std::string& place, Architecture* architecture);

// Which layers have a window, where config.json has no layer_types.
struct WindowPattern {
  std::string key;       // config.json's, may be absent
  int64_t fallback = 2;  // every fallback-th layer has none; 0: no layer has one
};
// Throws Error for a type of layer that is not known.
std::vector<bool> read_windowed_layers(const Json& config, const std::string& place, int64_t n_layers,
                                       const WindowPattern& pattern);
// Gives some layers a window. Says so in the notes.
void set_windows(Architecture* architecture, const std::vector<bool>& windowed, int64_t window);
// Throws Error naming a key that is true, or a number, where only its absence, false or null is supported.
void refuse_key(const Json& config, const std::string& key, const std::string& place);

// Keys of config.json about experts, and what a missing one means. Empty: the family has no such thing.
struct ExpertKeys {
  const char* routed = "num_local_experts";
  const char* chosen = "num_experts_per_tok";
  int64_t default_chosen = 2;
  const char* width = "intermediate_size";
  const char* shared_width = "";  // of an MLP beside the experts
  const char* shared_count = "";  // of such an MLP without a gate, as a number of experts
  const char* normalised = "";
  bool default_normalised = false;
};
// Makes the MLPs of what read_llama_like read experts, of every layer. Throws Error naming the key where there are none
// to choose from, fewer than are chosen, or a shared MLP that is not some experts wide.
void read_experts(const Json& config, const std::string& place, const ExpertKeys& keys, Architecture* architecture);

// Takes the experts away again from some layers: their MLP is one, of `channels`. Throws Error where no layer keeps
// its experts.
void set_dense_layers(Architecture* architecture, const std::vector<bool>& dense, int64_t channels,
                      const std::string& place);
// Qwen's: decoder_sparse_step and mlp_only_layers; their MLP has intermediate_size channels.
void read_dense_layers(const Json& config, const std::string& place, Architecture* architecture);

// How one tensor holds q, k and v of all heads.
enum class FusedOrder {
  kSideBySide,
  kByHead,    // q, k, v of head 0, then of head 1, …
  kByGroup,   // the queries that share a key/value head, it, its value; then those of the next
  kInChunks,  // four parts of as many heads each: their queries, their values, their keys (CodeGen)
};

// Names of tensors: those of a layer stand below `layer` and its number, ".weight" and ".bias" are added. Empty: none.
// Which of them there are is the Architecture's to say.
struct LayoutNames {
  const char* prefix = "model.";
  const char* embedding = "embed_tokens";
  const char* embedding_norm = "";
  const char* positions = "";
  const char* unembedding = "lm_head";
  const char* final_norm = "norm";
  const char* layer = "layers.";
  const char* attn_norm = "input_layernorm";
  const char* mlp_norm = "post_attention_layernorm";
  const char* attn_post_norm = "";
  const char* mlp_post_norm = "";
  const char* q_norm = "self_attn.q_norm";
  const char* k_norm = "self_attn.k_norm";
  bool norm_each_head = false;  // q_norm and k_norm are followed by ".norms." and a head, each a tensor
  const char* q = "self_attn.q_proj";
  const char* k = "self_attn.k_proj";
  const char* v = "self_attn.v_proj";
  const char* qkv = "";  // all three in one
  FusedOrder order = FusedOrder::kSideBySide;
  // Of latents (LayerLayout::q_down): then q reads one, where queries have a rank.
  const char* q_down = "self_attn.q_a_proj";
  const char* q_latent_norm = "self_attn.q_a_layernorm";
  const char* q_up = "self_attn.q_b_proj";
  const char* kv_down = "self_attn.kv_a_proj_with_mqa";
  const char* kv_latent_norm = "self_attn.kv_a_layernorm";
  const char* kv_up = "self_attn.kv_b_proj";
  const char* o = "self_attn.o_proj";
  const char* gate = "mlp.gate_proj";
  const char* in = "mlp.up_proj";
  const char* gate_in = "";  // both in one, the gate first
  const char* out = "mlp.down_proj";
  // Of experts, below the layer: their router; each one's matrices below its number; or those of all in one tensor,
  // [experts, out, in] or [experts, in, out], gate and up as rows of one half each or by turns.
  const char* router = "mlp.gate";
  const char* choice_bias = "mlp.gate.e_score_correction_bias";
  const char* experts = "mlp.experts.";
  const char* expert_gate = "gate_proj.weight";
  const char* expert_in = "up_proj.weight";
  const char* expert_out = "down_proj.weight";
  const char* all_gate_in = "";
  const char* all_out = "";
  bool all_transposed = true;
  bool by_turns = false;
  const char* shared = "mlp.shared_expert.";
  const char* shared_gate = "mlp.shared_expert_gate.weight";
  const char* slope_p = "mlp.act_fn.alpha_p";
  const char* slope_n = "mlp.act_fn.alpha_n";
  const char* sinks = "self_attn.sinks";
  bool norm_bias = false;    // of the norms before blocks and before the head
  bool norm_weights = true;  // norms have parameters
};

Layout layout_by_names(const Architecture& architecture, const LayoutNames& names);
Layout llama_like_layout(const Architecture& architecture);

}  // namespace circuit
