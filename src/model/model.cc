#include "model/model.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>

#include <algorithm>

#include "core/error.h"
#include "core/rng.h"
#include "model/families/family.h"
#include "model/finite.h"
#include "model/model_files.h"

namespace circuit {
namespace {

std::string shape_text(at::IntArrayRef shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

const Family& family_of(const Architecture& architecture) {
  for (const Family& family : families()) {
    if (family.model_type == architecture.family) return family;
  }
  fail("model", "family '{}' is not in the list.", architecture.family);
}

// The units of a reference side by side, as [in, out] for a matrix.
at::Tensor view_of(const std::map<std::string, at::Tensor>& parameters, const TensorRef& ref) {
  if (!ref.present()) return {};
  const at::Tensor units = parameters.at(ref.tensor).narrow(ref.unit_dim, ref.first, ref.units * ref.unit);
  return ref.transposed ? units.t() : units;
}

at::Tensor parameter_or_none(const std::map<std::string, at::Tensor>& parameters, const std::string& name) {
  return name.empty() ? at::Tensor() : parameters.at(name);
}

// The units of a reference apart, wherever they stand: [in, units, unit] for a matrix, [units, unit] for a bias.
at::Tensor heads_of(const std::map<std::string, at::Tensor>& parameters, const TensorRef& ref) {
  if (!ref.present()) return {};
  const int64_t length = (ref.units - 1) * ref.stride + ref.unit;
  const at::Tensor units =
      parameters.at(ref.tensor).narrow(ref.unit_dim, ref.first, length).unfold(ref.unit_dim, ref.unit, ref.stride);
  return ref.transposed ? units.transpose(0, 1) : units;
}

// Where q, k, v stand in one tensor, one multiplication makes all three.
QkvOrder order_of(const LayerLayout& layer) {
  const TensorRef& q = layer.w_q;
  const TensorRef& k = layer.w_k;
  const TensorRef& v = layer.w_v;
  if (q.tensor != k.tensor || k.tensor != v.tensor) return QkvOrder::kSeparate;
  const auto at = [&](int64_t k_first, int64_t v_first, int64_t stride) {
    return k.first == q.first + k_first && v.first == q.first + v_first && q.stride == stride && k.stride == stride &&
           v.stride == stride;
  };
  const int64_t heads = q.units * q.unit;
  if (at(heads, heads + k.units * k.unit, q.unit)) return QkvOrder::kSideBySide;
  if (at(q.unit, 2 * q.unit, 3 * q.unit) && q.units == k.units) return QkvOrder::kByHead;
  fail("model", "layout of '{}': q, k and v stand in no known order.", q.tensor);
}

at::Tensor fused_view(const std::map<std::string, at::Tensor>& parameters, const TensorRef& q, const TensorRef& k,
                      const TensorRef& v) {
  if (!q.present()) return {};
  TensorRef all = q;
  all.unit = 1;
  all.units = q.units * q.unit + k.units * k.unit + v.units * v.unit;
  return view_of(parameters, all);
}

}  // namespace

Architecture read_architecture(const Json& config, const std::string& place) {
  return find_family(config, place).read_config(config, place);
}

Layout layout_of(const Architecture& architecture) { return family_of(architecture).layout(architecture); }

std::string with_prefix(const Layout& layout, const std::string& prefix, const std::string& name) {
  // The separate unembedding is the language-model head's own, outside the prefixed body.
  const bool head = (name == layout.unembedding && name != layout.embedding) || name == layout.unembedding_bias;
  return head ? name : prefix + name;
}

namespace {

// Hugging Face's generate asks generation_config.json alone where there is one, also when it names no end token.
void read_generation_config(const std::string& directory, Architecture* architecture) {
  const std::optional<Json> config = read_generation_json(directory);
  if (!config) return;
  architecture->generation_eos_ids = read_eos_ids(*config, generation_place(directory));
  if (architecture->generation_eos_ids->empty() && !architecture->eos_ids.empty()) {
    architecture->notes.push_back(
        "generation_config.json names no eos_token_id: no token ends a generated text, as in Hugging Face");
  }
}

}  // namespace

Model Model::load(const Checkpoint& checkpoint, const LoadOptions& options) {
  Model model;
  model.architecture_ = read_architecture(checkpoint.config(), checkpoint.config_path());
  read_generation_config(checkpoint.directory(), &model.architecture_);
  model.layout_ = layout_of(model.architecture_);
  const Layout& layout = model.layout_;
  model.prefix_ = checkpoint.contains(layout.prefix + layout.embedding) ? layout.prefix : "";
  for (const TensorShape& expected : layout.tensors) {
    const std::string name = with_prefix(layout, model.prefix_, expected.name);
    const at::Tensor stored = checkpoint.tensor(name);
    if (stored.sizes() != at::IntArrayRef(expected.shape)) {
      fail(checkpoint.directory(), "tensor '{}': found shape {}, config.json asks for {}.", name,
           shape_text(stored.sizes()), shape_text(expected.shape));
    }
    if (!stored.is_floating_point()) {
      fail(checkpoint.directory(), "tensor '{}': found dtype {}, expected F32, F16 or BF16.", name,
           dtype_name(stored.scalar_type()));
    }
    require_finite(stored, name, checkpoint.directory());
    const at::Tensor value = stored.to(options.dtype);
    // The largest numbers of float32 and float64 round to infinity in a narrower dtype.
    const bool narrower = stored.scalar_type() == at::kDouble || options.dtype == at::kBFloat16;
    if (narrower && value.scalar_type() != stored.scalar_type()) {
      require_finite(value, name, checkpoint.directory() + " as " + dtype_name(options.dtype));
    }
    model.parameters_[expected.name] = value.to(options.device);
  }
  model.make_views();
  return model;
}

Model Model::random(const Architecture& architecture, double scale, uint64_t seed, const LoadOptions& options) {
  Model model;
  model.architecture_ = architecture;
  model.layout_ = layout_of(architecture);
  const Rng root(seed);
  for (const TensorShape& shape : model.layout_.tensors) {
    Rng rng = root.split(shape.name);
    at::Tensor values = at::empty(shape.shape, at::kDouble);
    auto* data = values.data_ptr<double>();
    // Norm gains stand near 1; everything else near 0.
    const bool gain = shape.shape.size() == 1 && shape.name.find("bias") == std::string::npos;
    const double centre = gain ? 1 - architecture.norm.offset : 0;
    for (int64_t i = 0; i < values.numel(); ++i) data[i] = centre + scale * rng.normal();
    model.parameters_[shape.name] = values.to(options.device, options.dtype);
  }
  model.make_views();
  return model;
}

Model Model::over(const Architecture& architecture, std::map<std::string, at::Tensor> parameters) {
  Model model;
  model.architecture_ = architecture;
  model.layout_ = layout_of(architecture);
  model.parameters_ = std::move(parameters);
  for (const TensorShape& expected : model.layout_.tensors) {
    const at::Tensor& found = model.parameter(expected.name);
    if (found.sizes() != at::IntArrayRef(expected.shape)) {
      fail("model", "tensor '{}': found shape {}, expected {}.", expected.name, shape_text(found.sizes()),
           shape_text(expected.shape));
    }
  }
  model.make_views();
  return model;
}

void Model::make_views() {
  embedding_ = parameters_.at(layout_.embedding);
  positions_ = parameter_or_none(parameters_, layout_.positions);
  if (positions_.defined())
    positions_ = positions_.narrow(0, architecture_.embedding.position_offset, architecture_.n_positions);
  unembedding_ = parameters_.at(layout_.unembedding);
  unembedding_bias_ = parameter_or_none(parameters_, layout_.unembedding_bias);
  const auto norm = [&](const std::string& weight, const std::string& bias) {
    return NormWeights{parameter_or_none(parameters_, weight), parameter_or_none(parameters_, bias),
                       architecture_.norm};
  };
  // A norm that is always there: without parameters its weight is 1.
  const auto reader_norm = [&](const std::string& weight, const std::string& bias, bool there) {
    NormWeights w = norm(weight, bias);
    if (!w.defined()) w.weight = at::ones({architecture_.d_model}, embedding_.options());
    if (!there) w.spec.kind = NormKind::kNone;
    return w;
  };
  final_norm_ = reader_norm(layout_.final_norm, layout_.final_norm_bias, true);
  final_norm_.spec.factor = architecture_.head.scale;
  layers_.clear();
  for (const LayerLayout& l : layout_.layers) {
    LayerWeights w;
    w.w_q = heads_of(parameters_, l.w_q);
    w.w_k = heads_of(parameters_, l.w_k);
    w.w_v = heads_of(parameters_, l.w_v);
    w.b_q = heads_of(parameters_, l.b_q);
    w.b_k = heads_of(parameters_, l.b_k);
    w.b_v = heads_of(parameters_, l.b_v);
    w.q_norm = norm(l.q_norm, "");
    w.k_norm = norm(l.k_norm, "");
    w.qkv_order = order_of(l);
    if (w.qkv_order != QkvOrder::kSeparate) {
      w.w_qkv = fused_view(parameters_, l.w_q, l.w_k, l.w_v);
      w.b_qkv = fused_view(parameters_, l.b_q, l.b_k, l.b_v);
    }
    w.w_o = view_of(parameters_, l.w_o);
    w.b_o = parameter_or_none(parameters_, l.b_o);
    w.w_in = view_of(parameters_, l.w_in);
    w.b_in = view_of(parameters_, l.b_in);
    w.w_gate = view_of(parameters_, l.w_gate);
    w.b_gate = view_of(parameters_, l.b_gate);
    w.w_out = view_of(parameters_, l.w_out);
    w.b_out = parameter_or_none(parameters_, l.b_out);
    const LayerSpec& spec = architecture_.layer(static_cast<int64_t>(layers_.size()));
    w.attn_norm = reader_norm(l.attn_norm, l.attn_norm_bias, spec.pre_norm(BlockKind::kAttention));
    w.mlp_norm = reader_norm(l.mlp_norm, l.mlp_norm_bias, spec.pre_norm(BlockKind::kMlp));
    w.attn_post_norm = norm(l.attn_post_norm, "");
    w.mlp_post_norm = norm(l.mlp_post_norm, "");
    layers_.push_back(std::move(w));
  }
}

const at::Tensor& Model::parameter(const std::string& name) const {
  const auto found = parameters_.find(name);
  if (found == parameters_.end()) fail("model", "there is no parameter '{}'.", name);
  return found->second;
}

at::Tensor Model::writable(const std::string& name) { return parameter(name); }

bool Model::norms_outputs() const {
  return std::any_of(layers_.begin(), layers_.end(),
                     [](const LayerWeights& w) { return w.attn_post_norm.defined() || w.mlp_post_norm.defined(); });
}

std::string Model::file_name(const std::string& name) const { return with_prefix(layout_, prefix_, name); }

int64_t Model::parameter_count() const {
  int64_t count = 0;
  for (const auto& [name, tensor] : parameters_) count += tensor.numel();
  return count;
}

}  // namespace circuit
