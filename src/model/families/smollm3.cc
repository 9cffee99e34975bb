// SmolLM 3: Llama with layers that have no positions, every fourth unless config.json says which.
#include "core/error.h"
#include "model/families/llama_like.h"

namespace circuit {
namespace {

// 1 where a layer has none.
std::vector<size_t> read_layers_without_positions(const Json& config, const std::string& place, int64_t n_layers) {
  std::vector<size_t> without;
  const auto given = config.find("no_rope_layers");
  if (given == config.end() || given->is_null()) {
    const int64_t every = optional_size(config, "no_rope_layer_interval", 4, place);
    for (int64_t l = 0; l < n_layers; ++l) without.push_back((l + 1) % every == 0 ? 1 : 0);
    return without;
  }
  // Despite its name, 1 stands for a layer that has positions.
  if (!given->is_array() || static_cast<int64_t>(given->size()) != n_layers) {
    fail(place, "no_rope_layers: expected a list of num_hidden_layers = {} numbers.", n_layers);
  }
  for (const Json& has : *given) without.push_back(int_of(has, "no_rope_layers", place) == 0 ? 1 : 0);
  return without;
}

Architecture read_smollm3_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.default_theta = 2e6;
  like.default_kv_heads = 4;
  like.default_tied = true;
  Architecture a = read_llama_like(config, place, like);
  a.family = "smollm3";
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = optional_bool(config, "attention_bias", false, place);
  layer.mlp.bias = optional_bool(config, "mlp_bias", false, place);
  refuse_key(config, "use_sliding_window", place);
  read_qwen_windows(config, place, &a);  // refuses those that layer_types names
  a.kind_of_layer = read_layers_without_positions(config, place, a.n_layers);
  a.layer_kinds.push_back(layer);
  a.layer_kinds.back().attention.rotary.reset();
  return a;
}

}  // namespace

Family smollm3_family() { return {"smollm3", read_smollm3_config, llama_like_layout}; }

}  // namespace circuit
