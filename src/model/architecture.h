// What a config.json says about a model, in the words of the computation.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace circuit {

// kNone: the stream itself.
enum class NormKind { kLayerNorm, kRmsNorm, kNone };
// kSigmoid17: x · sigmoid(1.702 x), as GPT-OSS has it. kXielu (Huang & Schlag 2024, arXiv 2411.13010), with two slopes
// that are parameters of the layer: x > 0: α_p x² + x/2, else α_n (eˣ − 1 − x) + x/2.
enum class Activation { kGeluTanh, kGeluErf, kSilu, kRelu, kReluSquared, kSigmoid17, kXielu };

// Frequency scaling of Llama 3.1 ("rope_type": "llama3").
struct Llama3Scaling {
  double factor = 8;
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  double original_positions = 8192;
};
inline bool operator==(const Llama3Scaling& a, const Llama3Scaling& b) {
  return a.factor == b.factor && a.low_freq_factor == b.low_freq_factor && a.high_freq_factor == b.high_freq_factor &&
         a.original_positions == b.original_positions;
}

// YaRN (Peng et al. 2023, arXiv 2309.00071): slow channels are interpolated, fast ones left alone, with a ramp between.
struct YarnScaling {
  double factor = 1;
  double beta_fast = 32, beta_slow = 1;  // turns over the original context at which the ramp begins and ends
  double original_positions = 2048;
  double attention_factor = 1;  // of cosines and sines
  bool truncate = true;         // the ramp's ends are whole channels
};
inline bool operator==(const YarnScaling& a, const YarnScaling& b) {
  return a.factor == b.factor && a.beta_fast == b.beta_fast && a.beta_slow == b.beta_slow &&
         a.original_positions == b.original_positions && a.attention_factor == b.attention_factor &&
         a.truncate == b.truncate;
}

// Dynamic NTK (rope_type "dynamic"): beyond the original context θ grows with the sequence.
struct DynamicScaling {
  double factor = 1;
  double original_positions = 2048;
};
inline bool operator==(const DynamicScaling& a, const DynamicScaling& b) {
  return a.factor == b.factor && a.original_positions == b.original_positions;
}

// LongRoPE (Ding et al. 2024, arXiv 2402.13753): every pair of channels has its own divisor, one list of them for
// sequences up to the original context and one for longer ones.
struct LongRopeScaling {
  std::vector<double> short_factors, long_factors;  // [dims/2] each
  double original_positions = 2048;
  double attention_factor = 1;       // of cosines and sines
  double long_attention_factor = 1;  // the same of sequences beyond the original context
  bool anew = false;                 // a text that grows beyond it is worked anew then: no key keeps a short factor
};
inline bool operator==(const LongRopeScaling& a, const LongRopeScaling& b) {
  return a.short_factors == b.short_factors && a.long_factors == b.long_factors &&
         a.original_positions == b.original_positions && a.attention_factor == b.attention_factor &&
         a.long_attention_factor == b.long_attention_factor && a.anew == b.anew;
}

// Rotary position embedding. Channel i is paired with i + dims/2 (halves), or where interleaved 2i with 2i + 1.
struct RotarySpec {
  double theta = 10000;
  int64_t dims = 0;          // rotated channels of each head, ≤ d_head, even
  double linear_factor = 1;  // positions are divided by it ("rope_type": "linear")
  std::optional<Llama3Scaling> llama3;
  std::optional<YarnScaling> yarn;
  std::optional<DynamicScaling> dynamic;
  std::optional<LongRopeScaling> longrope;
  bool interleaved = false;
  int64_t first = 0;  // of a head's channels, the first that rotates

  // Whether angles depend on how long the sequence is.
  bool by_length() const { return dynamic || longrope; }
};
inline bool operator==(const RotarySpec& a, const RotarySpec& b) {
  return a.theta == b.theta && a.dims == b.dims && a.linear_factor == b.linear_factor && a.llama3 == b.llama3 &&
         a.yarn == b.yarn && a.dynamic == b.dynamic && a.longrope == b.longrope && a.interleaved == b.interleaved &&
         a.first == b.first;
}

// A norm over the last dimension.
struct NormSpec {
  NormKind kind = NormKind::kLayerNorm;
  double eps = 1e-5;
  double offset = 0;  // γ is the stored weight plus this (Gemma: 1)
  double factor = 1;  // of γ and β (a scale of the logits, as one of the final norm's output)
};

// What the stream starts with: scale · (the token's embedding), normed where it has a norm, and a position's embedding
// where there are any.
struct EmbeddingSpec {
  double scale = 1;
  bool norm = false;
  bool learned_positions = false;
  int64_t position_offset = 0;  // rows of the position embedding before that of position 0
};

// Latent attention, as model/latent.h has it: ranks are the widths of what all heads share.
struct LatentSpec {
  int64_t q_rank = 0;  // 0: queries have none
  int64_t kv_rank = 0;
  bool bias = false;  // of what makes them
  double eps = 1e-6;  // of their norms
};

// Of one layer; how many heads there are and their widths is the Architecture's, the same in all layers.
struct AttentionSpec {
  bool qkv_bias = false;
  bool out_bias = false;
  bool qk_norm = false;        // a norm over d_head on every head's q and k, before the rotation
  bool qk_norm_whole = false;  // it is over all heads of q, and all of k, together (OLMo 2)
  bool qk_norm_bias = false;
  bool qk_norm_by_head = false;  // every head has a weight of its own (Cohere, StableLM)
  bool rotated_first = false;    // it comes after the rotation (Hunyuan)
  std::optional<double> clip;    // q, k and v are at most that far from zero, after the q/k norm (OLMo, MPT)
  std::optional<LatentSpec> latent;
  std::optional<RotarySpec> rotary;
  std::optional<int64_t> window;       // ≥ 1: a token attends to itself and the window − 1 before it
  std::optional<double> query_scalar;  // scores are divided by its root; none: d_head
  std::optional<double> softcap;       // scores s become cap · tanh(s / cap), before the mask
  // ALiBi (Press et al. 2022, arXiv 2108.12409): of each head, what is added to a score per position of its key.
  std::vector<double> alibi;
  bool sinks = false;       // every head has a score that takes its share of the soft-max and writes nothing (GPT-OSS)
  double alibi_factor = 1;  // of it
  bool alibi_bf16 = false;  // before that factor it is rounded to BF16 (Falcon)
};

// How a router's logits become the gates of the experts that it chooses.
enum class RouterKind {
  kSoftmax,      // of all experts; the largest `chosen`
  kSparseMixer,  // one after another, each by a softmax over those within `jitter` of the best (arXiv 2409.12136)
  kSigmoid,      // of each expert alone; the largest `chosen` once a bias is added that gates do not have (DeepSeek-V3,
                 // arXiv 2412.19437, section 2.1.2)
};

// An MLP that is several, of which each token visits some (Shazeer et al. 2017, arXiv 1701.06538). Every expert has
// `width` channels; those of all of them, one expert after another, are the MLP's d_mlp channels. A gate multiplies
// what an expert writes.
struct ExpertsSpec {
  int64_t routed = 0;  // experts to choose from; 0: the MLP is one
  int64_t shared = 0;  // further ones that every token visits: an MLP beside them, cut into parts of their width
  int64_t chosen = 0;
  int64_t width = 0;
  bool normalised = true;  // gates of a token's chosen experts add up to 1
  RouterKind router = RouterKind::kSoftmax;
  bool router_bias = false;
  bool shared_gate = false;  // the shared ones have a gate too, the sigmoid of a router's of their own
  double jitter = 0;
  // Only experts of some of `groups` equal groups are chosen: of those with the largest best expert, of kSigmoid with
  // the largest sum of the best two.
  int64_t groups = 1, chosen_groups = 1;
  double scale = 1;          // of the gates
  bool wide_router = false;  // it is worked in float32 at least
  // An expert's output has a bias, which its gate multiplies: its last channel is that gate alone.
  bool out_bias = false;

  int64_t count() const { return routed + shared; }
  bool any() const { return routed > 0; }
};

struct MlpSpec {
  int64_t channels = 0;  // of a layer whose MLP is not as wide as most; 0: the Architecture's d_mlp
  Activation activation = Activation::kGeluTanh;
  bool gated = false;  // act(gate) · up instead of act(in)
  bool bias = false;
  std::optional<double> limit;  // gates are at most that, ups within ± that (GPT-OSS)
  double up_offset = 0;         // is added to ups
  ExpertsSpec experts;
  int64_t inputs_per_channel() const { return gated ? 2 : 1; }
};

// The stream as the layer's earlier blocks left it, or as it was before the layer (parallel blocks).
enum class BlockReads { kStream, kLayerInput };

enum class BlockKind { kAttention, kMlp };

// A block of a model.
struct Block {
  BlockKind kind = BlockKind::kAttention;
  int64_t layer = 0;
};
inline bool operator==(const Block& a, const Block& b) { return a.kind == b.kind && a.layer == b.layer; }

// A part of a layer that reads the stream, mostly through a norm, and writes to it.
struct BlockSpec {
  BlockKind kind = BlockKind::kAttention;
  BlockReads reads = BlockReads::kStream;
  bool pre_norm = true;    // it reads the stream through a norm
  bool post_norm = false;  // a norm on what it writes, biases included, before that joins the stream
};

// One layer as a program: its blocks in the order they are worked (layer_program.h walks them), and what they are.
struct LayerSpec {
  AttentionSpec attention;
  MlpSpec mlp;
  std::vector<BlockSpec> blocks{{BlockKind::kAttention}, {BlockKind::kMlp}};
  double residual = 1;  // what a block writes is multiplied by it (Granite)
  // Forms of one family that a layout must tell apart (Falcon): each block has its norm though both read the same
  // stream; queries stand beside the key that they share.
  bool separate_norms = false;
  bool grouped_projections = false;

  // Whether every block reads the stream before the layer's first.
  void set_parallel(bool parallel) {
    for (size_t i = 1; i < blocks.size(); ++i)
      blocks[i].reads = parallel ? BlockReads::kLayerInput : BlockReads::kStream;
  }
  void norm_outputs() {
    for (BlockSpec& block : blocks) block.post_norm = true;
  }
  bool parallel() const;
  bool pre_norm(BlockKind kind) const;
  bool post_norm(BlockKind kind) const;
};

struct HeadSpec {
  bool tied = false;              // the unembedding is the embedding
  bool bias = false;              // of the logits
  double scale = 1;               // the logits are multiplied by it, before a bias
  std::optional<double> softcap;  // of the logits
};

struct Architecture {
  std::string family;   // model_type of config.json
  std::string wrapper;  // of a model of which this is the text part, such as one with a vision tower; empty: none
  int64_t n_layers = 0;
  int64_t n_heads = 0;
  int64_t n_kv_heads = 0;  // divides n_heads
  int64_t d_model = 0;
  int64_t d_head = 0;
  int64_t d_value = 0;  // of a head's values, where they are not as wide as its keys; 0: d_head
  int64_t d_mlp = 0;    // of models with experts: that of the layers that have some
  int64_t vocab = 0;
  int64_t n_positions = 0;  // longest sequence the model was made for
  NormSpec norm;            // of every norm over d_model, and of the q/k norms
  EmbeddingSpec embedding;
  std::vector<LayerSpec> layer_kinds{LayerSpec()};  // the kinds of layers there are
  std::vector<size_t> kind_of_layer;                // of each layer, an index of layer_kinds; empty: all are the first
  HeadSpec head;
  std::optional<int64_t> bos_id;
  std::vector<int64_t> eos_ids;                            // of config.json: they end a document
  std::optional<std::vector<int64_t>> generation_eos_ids;  // of generation_config.json, where the model has one
  std::vector<std::string> notes;                          // what a user should know, e.g. that dropout is ignored

  size_t kind_of(int64_t layer) const { return kind_of_layer.empty() ? 0 : kind_of_layer[layer]; }
  const LayerSpec& layer(int64_t l) const { return layer_kinds[kind_of(l)]; }
  // For building one whose layers are all alike.
  LayerSpec& every_layer() { return layer_kinds.front(); }
  // The marked layers become kinds of their own: what `change` makes of the kinds that they are.
  template <class Change>
  void change_layers(const std::vector<bool>& marked, const Change& change);

  // Tokens that a sequence can have; none: positions are computed, any number of them.
  std::optional<int64_t> position_limit() const {
    return embedding.learned_positions ? std::optional<int64_t>(n_positions) : std::nullopt;
  }
  // What ends a generated text.
  const std::vector<int64_t>& stop_ids() const { return generation_eos_ids ? *generation_eos_ids : eos_ids; }
  int64_t heads_per_kv() const { return n_heads / n_kv_heads; }
  int64_t value_width() const { return d_value > 0 ? d_value : d_head; }
  // Channels of a layer's MLP, all its experts' together.
  int64_t mlp_channels(int64_t l) const { return layer(l).mlp.channels > 0 ? layer(l).mlp.channels : d_mlp; }
  double score_scale(int64_t l) const {
    return 1 / std::sqrt(layer(l).attention.query_scalar.value_or(static_cast<double>(d_head)));
  }
};

template <class Change>
void Architecture::change_layers(const std::vector<bool>& marked, const Change& change) {
  if (std::find(marked.begin(), marked.end(), true) == marked.end()) return;
  if (kind_of_layer.empty()) kind_of_layer.assign(static_cast<size_t>(n_layers), 0);
  std::vector<size_t> changed(layer_kinds.size(), 0);  // by kind, what it becomes; 0: not asked for yet
  for (size_t l = 0; l < marked.size(); ++l) {
    if (!marked[l]) continue;
    const size_t kind = kind_of_layer[l];
    if (changed[kind] == 0) {
      changed[kind] = layer_kinds.size();
      layer_kinds.push_back(layer_kinds[kind]);
      change(layer_kinds.back());
    }
    kind_of_layer[l] = changed[kind];
  }
}

inline bool LayerSpec::parallel() const {
  return std::any_of(blocks.begin(), blocks.end(),
                     [](const BlockSpec& b) { return b.reads == BlockReads::kLayerInput; });
}

inline bool LayerSpec::pre_norm(BlockKind kind) const {
  return std::all_of(blocks.begin(), blocks.end(), [&](const BlockSpec& b) { return b.kind != kind || b.pre_norm; });
}

inline bool LayerSpec::post_norm(BlockKind kind) const {
  return std::any_of(blocks.begin(), blocks.end(), [&](const BlockSpec& b) { return b.kind == kind && b.post_norm; });
}

}  // namespace circuit
