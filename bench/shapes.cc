#include "shapes.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <map>
#include <regex>

#include "core/rng.h"

namespace circuit::bench {

Architecture gpt2_small() {
  Architecture a;
  a.family = "gpt2";
  a.n_layers = 12;
  a.n_heads = a.n_kv_heads = 12;
  a.d_head = 64;
  a.d_model = 768;
  a.d_mlp = 3072;
  a.vocab = 50257;
  a.n_positions = 1024;
  LayerSpec& layer = a.every_layer();
  layer.attention.qkv_bias = layer.attention.out_bias = layer.mlp.bias = true;
  a.embedding.learned_positions = a.head.tied = true;
  return a;
}

Architecture llama_1b() {
  Architecture a;
  a.family = "llama";
  a.n_layers = 16;
  a.n_heads = 32;
  a.n_kv_heads = 8;
  a.d_head = 64;
  a.d_model = 2048;
  a.d_mlp = 8192;
  a.vocab = 128256;
  a.n_positions = 131072;
  a.norm.kind = NormKind::kRmsNorm;
  LayerSpec& layer = a.every_layer();
  layer.mlp.activation = Activation::kSilu;
  layer.mlp.gated = a.head.tied = true;
  layer.attention.rotary = RotarySpec();
  layer.attention.rotary->theta = 500000;
  layer.attention.rotary->dims = a.d_head;
  return a;
}

Architecture llama_8b() {
  Architecture a = llama_1b();
  a.n_layers = 32;
  a.d_head = a.every_layer().attention.rotary->dims = 128;
  a.d_model = 4096;
  a.d_mlp = 14336;
  return a;
}

Model random_model(const Architecture& architecture, at::ScalarType dtype, Layers layers) {
  static const std::regex layer_number(R"((^|\.)\d+\.)");
  at::manual_seed(1);
  std::map<std::string, at::Tensor> tensors;
  for (const TensorShape& shape : layout_of(architecture).tensors) {
    const std::string first =
        std::regex_replace(shape.name, layer_number, "$010.", std::regex_constants::format_first_only);
    if (layers == Layers::kShared && first != shape.name) {
      tensors[shape.name] = tensors.at(first);
      continue;
    }
    const bool gain = shape.shape.size() == 1 && shape.name.find("bias") == std::string::npos;
    tensors[shape.name] = at::empty(shape.shape, dtype).normal_(gain ? 1.0 : 0.0, 0.02);
  }
  return Model::over(architecture, std::move(tensors));
}

std::vector<Example> random_pairs(int64_t count, int64_t length, int64_t vocab) {
  Rng rng(3);
  std::vector<Example> examples(count);
  for (Example& e : examples) {
    for (int64_t t = 0; t < length; ++t) {
      e.ids.push_back(static_cast<int64_t>(rng.below(vocab)));
      e.counterfactual_ids.push_back(static_cast<int64_t>(rng.below(vocab)));
    }
    e.readouts.push_back({length, {11}, {12}, ""});
  }
  return examples;
}

std::vector<const Example*> pointers(const std::vector<Example>& examples) {
  std::vector<const Example*> all;
  for (const Example& e : examples) all.push_back(&e);
  return all;
}

}  // namespace circuit::bench
