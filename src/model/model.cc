#include "model/model.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "core/error.h"
#include "core/rng.h"
#include "model/bf16_products.h"
#include "model/families/family.h"
#include "model/finite.h"
#include "model/model_files.h"
#include "model/text_part.h"
#include "model/wide.h"

namespace circuit {
namespace {

const Json* part_of(const Json& config, const char* key) {
  const auto found = config.find(key);
  return found != config.end() && found->is_object() ? &*found : nullptr;
}

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
  const at::Tensor all =
      parameters.at(ref.tensor).narrow(ref.unit_dim, ref.first, ref.start(ref.units - 1) + ref.unit - ref.first);
  if (ref.group == 0) {
    const at::Tensor units = all.unfold(ref.unit_dim, ref.unit, ref.stride);
    return ref.transposed ? units.transpose(0, 1) : units;
  }
  // [groups, in, a group's span] → [in, groups, heads of a group, d_head]
  const at::Tensor groups = all.unfold(ref.unit_dim, (ref.group - 1) * ref.stride + ref.unit, ref.group_stride)
                                .unfold(-1, ref.unit, ref.stride);
  return ref.transposed ? groups.transpose(0, 1) : groups;
}

// Where the columns of q, k and v stand in a tensor that holds all of them.
at::Tensor columns_of(const LayerLayout& layer) {
  std::vector<int64_t> columns;
  for (const TensorRef* ref : {&layer.w_q, &layer.w_k, &layer.w_v}) {
    for (int64_t i = 0; i < ref->units; ++i) {
      for (int64_t c = 0; c < ref->unit; ++c) columns.push_back(ref->start(i) + c - layer.w_q.first);
    }
  }
  return at::tensor(columns, at::kLong);
}

at::Tensor view_of(const std::map<std::string, at::Tensor>& parameters, const ExpertRef& ref) {
  if (!ref.present()) return {};
  const at::Tensor& tensor = parameters.at(ref.tensor);
  return expert_view(ref.part >= 0 ? tensor[ref.part] : tensor, ref);
}

ExpertWeights expert_views(const std::map<std::string, at::Tensor>& parameters, const ExpertLayout& l) {
  ExpertWeights w{view_of(parameters, l.w_in),   view_of(parameters, l.b_in),  view_of(parameters, l.w_gate),
                  view_of(parameters, l.b_gate), view_of(parameters, l.w_out), view_of(parameters, l.b_out)};
  return w;
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
  if (q.group != 0 || k.group != 0 || v.group != 0) return QkvOrder::kIndexed;
  if (at(heads, heads + k.units * k.unit, q.unit)) return QkvOrder::kSideBySide;
  if (at(q.unit, 2 * q.unit, 3 * q.unit) && q.units == k.units) return QkvOrder::kByHead;
  return QkvOrder::kIndexed;
}

at::Tensor fused_view(const std::map<std::string, at::Tensor>& parameters, const TensorRef& q, const TensorRef& k,
                      const TensorRef& v) {
  if (!q.present()) return {};
  TensorRef all = q;
  all.group = 0;
  all.unit = 1;
  all.units = q.units * q.unit + k.units * k.unit + v.units * v.unit;
  return view_of(parameters, all);
}

}  // namespace

at::Tensor expert_view(const at::Tensor& tensor, const ExpertRef& ref) {
  at::Tensor t = ref.transposed ? tensor.t() : tensor;
  if (ref.inputs > 0) t = t.narrow(0, ref.first_input, ref.inputs);
  return t.slice(-1, ref.first, ref.first + ref.step * ref.count, ref.step);
}

at::Tensor by_heads(const at::Tensor& weight) { return weight.dim() == 4 ? weight.flatten(1, 2) : weight; }

at::Tensor head_weight(const at::Tensor& weight, int64_t h) {
  if (weight.dim() == 3) return weight.select(1, h);
  return weight.select(1, h / weight.size(2)).select(1, h % weight.size(2));
}

at::Tensor biases_by_heads(const at::Tensor& bias) {
  return bias.defined() && bias.dim() == 3 ? bias.flatten(0, 1) : bias;
}

at::Tensor head_bias(const at::Tensor& bias, int64_t h) {
  if (!bias.defined() || bias.dim() == 2) return bias.defined() ? bias[h] : bias;
  return bias[h / bias.size(1)][h % bias.size(1)];
}

Architecture read_architecture(const Json& config, const std::string& place) {
  for (const Json* part : {&config, part_of(config, "text_config")}) {
    const Json* quantised = part == nullptr ? nullptr : part_of(*part, "quantization_config");
    // A model that was dequantised as it was loaded keeps the object, and says so.
    if (quantised == nullptr || optional_bool(*quantised, "dequantize", false, place)) continue;
    fail(place, "quantization_config: the weights are quantised ({}), which is not read. Save them dequantised.",
         optional_string(*quantised, "quant_method", "no quant_method", place));
  }
  if (!is_wrapper(config)) return find_family(config, place).read_config(config, place);
  return read_wrapped(config, place);
}

Layout layout_of(const Architecture& architecture) { return family_of(architecture).layout(architecture); }

std::string with_prefix(const Layout& layout, const std::string& prefix, const std::string& name) {
  // The separate unembedding is the language-model head's own, outside the prefixed body.
  const bool head = (name == layout.unembedding && name != layout.embedding) || name == layout.unembedding_bias;
  return (head ? layout.head_prefix : prefix) + name;
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

at::Tensor load_tensor(const Checkpoint& checkpoint, const std::string& name, const std::vector<int64_t>& shape,
                       at::ScalarType dtype) {
  const at::Tensor stored = checkpoint.tensor(name);
  if (stored.sizes() != at::IntArrayRef(shape)) {
    fail(checkpoint.directory(), "tensor '{}': found shape {}, config.json asks for {}.", name,
         shape_text(stored.sizes()), shape_text(shape));
  }
  if (!stored.is_floating_point()) {
    fail(checkpoint.directory(), "tensor '{}': found dtype {}, expected F32, F16 or BF16.", name,
         dtype_name(stored.scalar_type()));
  }
  require_finite(stored, name, checkpoint.directory());
  at::Tensor value = stored.to(dtype);
  // The largest numbers of float32 and float64 round to infinity in a narrower dtype.
  const bool narrower = stored.scalar_type() == at::kDouble || dtype == at::kBFloat16;
  if (narrower && value.scalar_type() != stored.scalar_type()) {
    require_finite(value, name, checkpoint.directory() + " as " + dtype_name(dtype));
  }
  return value;
}

}  // namespace

Model Model::load(const Checkpoint& checkpoint, const LoadOptions& options) {
  Model model;
  model.architecture_ = read_architecture(checkpoint.config(), checkpoint.config_path());
  read_generation_config(checkpoint.directory(), &model.architecture_);
  model.layout_ = settle_layout(checkpoint, &model.architecture_);
  const Layout& layout = model.layout_;
  model.prefix_ = checkpoint.contains(layout.prefix + layout.embedding) ? layout.prefix : "";
  const auto load = [&](const TensorShape& expected, at::ScalarType dtype) {
    return load_tensor(checkpoint, with_prefix(layout, model.prefix_, expected.name), expected.shape, dtype)
        .to(options.device);
  };
  for (const TensorShape& t : layout.tensors) model.parameters_[t.name] = load(t, options.dtype);
  for (const TensorShape& t : layout.constants) model.constants_[t.name] = load(t, wide(options.dtype));
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
  const at::Tensor& first = parameters_.begin()->second;
  if (first.scalar_type() == at::kBFloat16 && first.is_cpu()) sum_bf16_products_in_float32();
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
  for (const TensorShape& t : layout_.constants) {
    at::Tensor& constant = constants_[t.name];
    if (!constant.defined()) constant = at::zeros(t.shape, embedding_.options().dtype(wide(dtype())));
  }
  final_norm_ = reader_norm(layout_.final_norm, layout_.final_norm_bias, true);
  final_norm_.spec.factor = architecture_.head.scale;
  embedding_norm_ = norm(layout_.embedding_norm, layout_.embedding_norm_bias);
  layers_.clear();
  for (const LayerLayout& l : layout_.layers) {
    LayerWeights w;
    const auto number = static_cast<int64_t>(layers_.size());
    w.w_q = heads_of(parameters_, l.w_q);
    w.w_k = heads_of(parameters_, l.w_k);
    w.w_v = heads_of(parameters_, l.w_v);
    w.b_q = heads_of(parameters_, l.b_q);
    w.b_k = heads_of(parameters_, l.b_k);
    w.b_v = heads_of(parameters_, l.b_v);
    w.q_norm = norm(l.q_norm, l.q_norm_bias);
    w.k_norm = norm(l.k_norm, l.k_norm_bias);
    if (!l.q_norms.empty()) {
      w.q_norm = {stacked(l.q_norms), {}, architecture_.norm};
      w.k_norm = {stacked(l.k_norms), {}, architecture_.norm};
    }
    if (l.kv_down.present()) w.latent = latent_views(l, *architecture_.layer(number).attention.latent);
    w.qkv_order = order_of(l);
    if (w.qkv_order != QkvOrder::kSeparate) {
      w.w_qkv = fused_view(parameters_, l.w_q, l.w_k, l.w_v);
      w.b_qkv = fused_view(parameters_, l.b_q, l.b_k, l.b_v);
      if (w.qkv_order == QkvOrder::kIndexed) w.qkv_columns = columns_of(l).to(device());
    }
    w.w_o = view_of(parameters_, l.w_o);
    w.b_o = parameter_or_none(parameters_, l.b_o);
    w.w_in = view_of(parameters_, l.w_in);
    w.b_in = view_of(parameters_, l.b_in);
    w.w_gate = view_of(parameters_, l.w_gate);
    w.b_gate = view_of(parameters_, l.b_gate);
    w.w_out = view_of(parameters_, l.w_out);
    w.b_out = parameter_or_none(parameters_, l.b_out);
    for (const ExpertLayout& expert : l.experts) w.experts.push_back(expert_views(parameters_, expert));
    const auto columns = [&](const std::string& name) {
      return name.empty() ? at::Tensor() : parameters_.at(name).t();
    };
    w.router = {columns(l.router), parameter_or_none(parameters_, l.router_bias), columns(l.shared_gate),
                parameter_or_none(constants_, l.choice_bias)};
    w.slope_p = parameter_or_none(parameters_, l.slope_p);
    w.slope_n = parameter_or_none(parameters_, l.slope_n);
    w.sinks = parameter_or_none(parameters_, l.sinks.tensor);
    const LayerSpec& spec = architecture_.layer(number);
    w.attn_norm = reader_norm(l.attn_norm, l.attn_norm_bias, spec.pre_norm(BlockKind::kAttention));
    w.mlp_norm = reader_norm(l.mlp_norm, l.mlp_norm_bias, spec.pre_norm(BlockKind::kMlp));
    w.attn_post_norm = norm(l.attn_post_norm, "");
    w.mlp_post_norm = norm(l.mlp_post_norm, "");
    layers_.push_back(std::move(w));
  }
}

LatentWeights Model::latent_views(const LayerLayout& l, const LatentSpec& spec) const {
  NormSpec norm = architecture_.norm;
  norm.eps = spec.eps;
  LatentWeights w;
  w.q_down = view_of(parameters_, l.q_down);
  w.b_q_down = parameter_or_none(parameters_, l.q_down_bias);
  w.q_norm = {parameter_or_none(parameters_, l.q_latent_norm), {}, norm};
  w.kv_down = view_of(parameters_, l.kv_down);
  w.b_kv_down = parameter_or_none(parameters_, l.kv_down_bias);
  w.kv_norm = {parameters_.at(l.kv_latent_norm), {}, norm};
  w.kv_up = parameters_.at(l.w_k.tensor).t();
  return w;
}

// Tensors of one shape as one tensor, of which they become views, so that it follows what is written to them.
at::Tensor Model::stacked(const std::vector<std::string>& names) {
  std::vector<at::Tensor> rows;
  for (const std::string& name : names) rows.push_back(parameters_.at(name));
  at::Tensor all = at::stack(rows);
  for (size_t i = 0; i < names.size(); ++i) parameters_[names[i]] = all[static_cast<int64_t>(i)];
  return all;
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
