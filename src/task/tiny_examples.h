// For tests: a tiny architecture of each family and random examples for it.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "core/rng.h"
#include "model/architecture.h"
#include "task/example.h"

namespace circuit {

// Every extent differs where the family allows it, so that a transposed or shifted slice cannot hide.
inline Architecture tiny_architecture(const std::string& family, int64_t layers = 2) {
  Architecture a;
  a.family = family;
  a.n_layers = layers;
  a.n_heads = 4;
  const bool layer_norm = family == "gpt2" || family == "gpt_neox" || family == "opt";
  a.n_kv_heads = layer_norm ? 4 : 2;
  a.d_head = family == "gpt2" || family == "opt" ? 5 : 6;
  a.d_model = 20;
  a.d_mlp = 14;
  a.vocab = 13;
  a.n_positions = 12;
  LayerSpec& layer = a.every_layer();
  if (family == "gpt2" || family == "opt") {
    a.embedding.position_offset = family == "opt" ? 2 : 0;
    if (family == "opt") layer.mlp.activation = Activation::kRelu;
    layer.attention.qkv_bias = layer.attention.out_bias = layer.mlp.bias = true;
    a.embedding.learned_positions = a.head.tied = true;
    return a;
  }
  layer.attention.rotary = RotarySpec{};
  if (family == "gpt_neox") {
    layer.attention.qkv_bias = layer.attention.out_bias = layer.mlp.bias = true;
    layer.mlp.activation = Activation::kGeluErf;
    layer.set_parallel(true);
    layer.attention.rotary->dims = 4;
    return a;
  }
  a.norm.kind = NormKind::kRmsNorm;
  layer.mlp.activation = Activation::kSilu;
  layer.mlp.gated = true;
  layer.attention.rotary->dims = 6;
  if (family == "llama") {
    layer.attention.qkv_bias = layer.attention.out_bias = layer.mlp.bias = true;
    layer.attention.rotary->llama3 = Llama3Scaling{};
  }
  if (family == "mistral") layer.attention.window = 3;
  if (family == "qwen2") layer.attention.qkv_bias = true;
  layer.attention.qk_norm = family == "qwen3" || family == "qwen3_moe" || family == "gemma3_text";
  if (family == "qwen3_moe") {
    layer.mlp.experts.routed = 3;
    layer.mlp.experts.chosen = 2;
    layer.mlp.experts.width = 4;
    a.d_mlp = 12;
  }
  if (family.rfind("gemma", 0) != 0) return a;
  layer.mlp.activation = Activation::kGeluTanh;
  a.norm.offset = 1;
  layer.norm_outputs();
  a.head.tied = true;
  a.embedding.scale = std::sqrt(static_cast<double>(a.d_model));
  layer.attention.query_scalar = 10;
  // From the first layer on, every other one has a window.
  LayerSpec windowed = layer;
  windowed.attention.window = 3;
  for (int64_t l = 0; l < layers; ++l) a.kind_of_layer.push_back(l % 2 == 0 ? 1 : 0);
  if (family == "gemma2") {
    layer.attention.softcap = windowed.attention.softcap = 1.5;
    a.head.softcap = 4;
  } else {
    layer.attention.rotary->theta = 1000;
    layer.attention.rotary->linear_factor = 4;
    windowed.attention.rotary->theta = 50;
  }
  a.layer_kinds.push_back(windowed);
  return a;
}

// Of 4 to n_positions tokens, each with a counterfactual; some have two readouts, some a masked prompt.
inline std::vector<Example> random_examples(const Architecture& a, int64_t count, uint64_t seed = 5) {
  Rng rng(seed);
  std::vector<Example> examples(count);
  for (int64_t i = 0; i < count; ++i) {
    Example& e = examples[i];
    const int64_t length = 4 + static_cast<int64_t>(rng.below(a.n_positions - 3));
    for (int64_t t = 0; t < length; ++t) {
      e.ids.push_back(static_cast<int64_t>(rng.below(a.vocab)));
      e.counterfactual_ids.push_back(static_cast<int64_t>(rng.below(a.vocab)));
    }
    e.readouts.push_back({length, {1, 2}, {3}, ""});
    if (i % 2 == 0) e.readouts.push_back({length / 2, {4}, {5, 6}, ""});
    if (i % 3 == 1) e.first_target = length - 1;
    e.place = "test:" + std::to_string(i + 1);
  }
  return examples;
}

inline std::vector<const Example*> pointers(const std::vector<Example>& examples) {
  std::vector<const Example*> all;
  for (const Example& e : examples) all.push_back(&e);
  return all;
}

}  // namespace circuit
