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
};

// Everything but the family's name, biases, q/k norm, window and post-norms. Throws Error naming the key that is
// missing or not supported.
Architecture read_llama_like(const Json& config, const std::string& place, const LlamaLike& like = {});

// Throws Error where use_sliding_window or layer_types asks for a window.
void require_full_attention(const Json& config, const std::string& place);

// Which layers have a window, where config.json has no layer_types.
struct WindowPattern {
  std::string key;       // config.json's, may be absent
  int64_t fallback = 2;  // every fallback-th layer has none; 0: no layer has one
};
// Throws Error for a type of layer that is not known.
std::vector<bool> read_windowed_layers(const Json& config, const std::string& place, int64_t n_layers,
                                       const WindowPattern& pattern);
// Layers of two kinds, as every layer is now: the first without a window, the second with one. Says so in the notes.
void set_windows(Architecture* architecture, const std::vector<bool>& windowed, int64_t window);
// Throws Error naming a key that is true, or a number, where only its absence, false or null is supported.
void refuse_key(const Json& config, const std::string& key, const std::string& place);

// Names of tensors: those of a layer stand below `layer` and its number, ".weight" and ".bias" are added. Empty: none.
// Which of them there are is the Architecture's to say.
struct LayoutNames {
  const char* prefix = "model.";
  const char* embedding = "embed_tokens";
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
  const char* q = "self_attn.q_proj";
  const char* k = "self_attn.k_proj";
  const char* v = "self_attn.v_proj";
  const char* qkv = "";  // all three in one, side by side or by_head (q, k, v of head 0, then of head 1, …)
  bool by_head = false;
  const char* o = "self_attn.o_proj";
  const char* gate = "mlp.gate_proj";
  const char* in = "mlp.up_proj";
  const char* gate_in = "";  // both in one, the gate first
  const char* out = "mlp.down_proj";
  bool norm_bias = false;    // of the norms before blocks and before the head
  bool norm_weights = true;  // norms have parameters
};

Layout layout_by_names(const Architecture& architecture, const LayoutNames& names);
Layout llama_like_layout(const Architecture& architecture);

}  // namespace circuit
