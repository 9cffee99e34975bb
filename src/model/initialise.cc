#include "model/initialise.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <set>

#include "core/error.h"
#include "core/rng.h"
#include "io/files.h"
#include "io/json.h"
#include "model/model.h"
#include "model/model_files.h"
#include "model/tensor_file.h"

namespace circuit {
namespace {

at::Tensor normal(const std::vector<int64_t>& shape, double deviation, Rng rng) {
  at::Tensor t = at::empty(shape, at::kFloat);
  auto* values = t.data_ptr<float>();
  for (int64_t i = 0; i < t.numel(); ++i) values[i] = static_cast<float>(deviation * rng.normal());
  return t;
}

}  // namespace

void write_initial_checkpoint(const std::string& source, uint64_t seed, const std::string& target) {
  const std::string config_path = config_place(source);
  const Json config = read_model_config(source);
  const Architecture a = read_architecture(config, config_path);
  const Layout layout = layout_of(a);
  const double deviation = optional_number(config, "initializer_range", 0.02, config_path);
  std::set<std::string> writers;
  std::set<std::string> norms;
  for (const LayerLayout& l : layout.layers) {
    writers.insert({l.w_o.tensor, l.w_out.tensor});
    norms.insert({l.attn_norm, l.mlp_norm, l.attn_post_norm, l.mlp_post_norm, l.q_norm, l.k_norm, l.q_latent_norm,
                  l.kv_latent_norm});
  }
  std::set<std::string> biases;
  for (const LayerLayout& l : layout.layers) {
    norms.insert(l.q_norms.begin(), l.q_norms.end());
    norms.insert(l.k_norms.begin(), l.k_norms.end());
    for (const ExpertLayout& e : l.experts) {
      writers.insert(e.w_out.tensor);
      biases.insert({e.b_in.tensor, e.b_gate.tensor, e.b_out.tensor});
    }
  }
  norms.insert({layout.final_norm, layout.embedding_norm});
  NamedTensors tensors;
  for (const TensorShape& t : layout.tensors) {
    at::Tensor value;
    if (norms.count(t.name) > 0) {
      value = at::full(t.shape, 1 - a.norm.offset, at::kFloat);
    } else if (t.shape.size() == 1 || biases.count(t.name) > 0) {
      value = at::zeros(t.shape, at::kFloat);
    } else {
      const double share = writers.count(t.name) > 0 ? 1 / std::sqrt(2.0 * static_cast<double>(a.n_layers)) : 1;
      value = normal(t.shape, deviation * share, Rng(seed).split("initial " + t.name));
    }
    tensors.emplace_back(with_prefix(layout, layout.prefix, t.name), value);
  }
  for (const TensorShape& t : layout.constants) {
    tensors.emplace_back(with_prefix(layout, layout.prefix, t.name), at::zeros(t.shape, at::kFloat));
  }
  write_directory(target, IfExists::kReplace, [&](const std::string& folder) {
    write_side_files(source, folder, target);
    save_tensors(folder + "/model.safetensors", tensors, {{"format", "pt"}});
  });
}

}  // namespace circuit
