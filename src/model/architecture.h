// What a config.json says about a model, in the words of the computation.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace circuit {

enum class NormKind { kLayerNorm, kRmsNorm };
enum class Activation { kGeluTanh, kGeluErf, kSilu, kRelu };

// Frequency scaling of Llama 3.1 ("rope_type": "llama3").
struct Llama3Scaling {
  double factor = 8;
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  double original_positions = 8192;
};

// Rotary position embedding, halves convention: channel i is paired with i + dims/2.
struct RotarySpec {
  double theta = 10000;
  int64_t dims = 0;          // rotated channels of each head, ≤ d_head, even
  double linear_factor = 1;  // positions are divided by it ("rope_type": "linear")
  std::optional<Llama3Scaling> llama3;
};

struct Architecture {
  std::string family;  // model_type of config.json
  int64_t n_layers = 0;
  int64_t n_heads = 0;
  int64_t n_kv_heads = 0;  // divides n_heads
  int64_t d_model = 0;
  int64_t d_head = 0;
  int64_t d_mlp = 0;
  int64_t vocab = 0;
  int64_t n_positions = 0;  // longest sequence the model was made for
  NormKind norm = NormKind::kLayerNorm;
  double norm_eps = 1e-5;
  double norm_offset = 0;   // γ of every norm is its stored weight plus this (Gemma: 1)
  bool post_norms = false;  // a norm on what attention and the MLP write, before it joins the stream
  Activation activation = Activation::kGeluTanh;
  bool qkv_bias = false;
  bool attn_out_bias = false;
  bool mlp_bias = false;
  bool gated_mlp = false;      // act(gate) · up instead of act(in)
  double embedding_scale = 1;  // the stream starts with this times the token's embedding
  bool learned_positions = false;
  int64_t position_offset = 0;  // rows of the position embedding before that of position 0
  std::optional<RotarySpec> rotary;
  std::optional<RotarySpec> local_rotary;  // of the layers with a window; none: as the others
  bool qk_norm = false;                    // RMSNorm over d_head on every head's q and k, before the rotation
  std::optional<int64_t> sliding_window;   // ≥ 1: a token attends to itself and the window − 1 before it
  std::vector<bool> windowed;              // which layers have that window; empty: all
  std::optional<double> query_scalar;      // scores are divided by its root; none: d_head
  std::optional<double> attn_softcap;      // scores s become cap · tanh(s / cap), before the mask
  std::optional<double> logit_softcap;     // and so do the logits
  bool parallel_blocks = false;            // the MLP reads the stream before the layer's attention
  bool tied_unembedding = false;
  std::optional<int64_t> bos_id;
  std::vector<int64_t> eos_ids;                            // of config.json: they end a document
  std::optional<std::vector<int64_t>> generation_eos_ids;  // of generation_config.json, where the model has one
  std::vector<std::string> notes;                          // what a user should know, e.g. that dropout is ignored

  // What ends a generated text.
  const std::vector<int64_t>& stop_ids() const { return generation_eos_ids ? *generation_eos_ids : eos_ids; }
  int64_t heads_per_kv() const { return n_heads / n_kv_heads; }
  double score_scale() const { return 1 / std::sqrt(query_scalar.value_or(static_cast<double>(d_head))); }
  bool local(int64_t layer) const { return sliding_window && (windowed.empty() || windowed[layer]); }
  std::optional<int64_t> window_of(int64_t layer) const { return local(layer) ? sliding_window : std::nullopt; }
  const std::optional<RotarySpec>& rotary_of(int64_t layer) const {
    return local_rotary && local(layer) ? local_rotary : rotary;
  }
};

}  // namespace circuit
