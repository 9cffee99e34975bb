#include "model/gguf_tensors.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <cstring>
#include <set>

#include "core/error.h"
#include "model/gguf_config.h"
#include "model/model.h"

namespace circuit {
namespace {

constexpr int64_t kRowsATask = 64;

bool ends_with_any(const std::string& name, std::initializer_list<const char*> ends) {
  for (const std::string end : ends) {
    if (name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0) return true;
  }
  return false;
}

// Where a row belongs. Row 2 j + h of a head, h = 0 or 1, is row j of half h (llama.cpp, convert_hf_to_gguf.py,
// LlamaModel.permute).
struct RowOrder {
  int64_t heads;  // 0: the rows stand as they should
  int64_t rows;
  int64_t of(int64_t row) const {
    if (heads == 0) return row;
    const int64_t d_head = rows / heads;
    const int64_t in_head = row % d_head;
    return row - in_head + in_head % 2 * (d_head / 2) + in_head / 2;
  }
};

void make_row(const GgufType& type, const unsigned char* from, size_t bytes, unsigned char* to) {
  if (type.dequantize == nullptr) {
    std::memcpy(to, from, bytes);
    return;
  }
  auto* numbers = reinterpret_cast<float*>(to);
  for (size_t at = 0; at < bytes; at += type.bytes, numbers += type.block) type.dequantize(from + at, numbers);
}

int64_t heads_paired_in(const std::string& name, const Json& config) {
  if (!gguf_pairs_rows(config.at("model_type"))) return 0;
  if (ends_with_any(name, {".q_proj.weight", ".q_proj.bias"})) return config.at("num_attention_heads");
  if (ends_with_any(name, {".k_proj.weight", ".k_proj.bias"})) return config.at("num_key_value_heads");
  return 0;
}

}  // namespace

GgufModel::GgufModel(const std::string& path)
    : file_(path), metadata_(GgufHeader::parse(file_.text(), path)), config_(gguf_config(metadata_, file_.text())) {
  size_t offset = 0;
  for (const GgufTensor& tensor : metadata_.tensors()) {
    TensorEntry entry;
    entry.name = gguf_tensor_name(metadata_, tensor.name);
    if (entry.name.empty()) continue;
    entry.dtype = tensor.type->stays_as == nullptr ? "F32" : tensor.type->stays_as;
    entry.shape = tensor.shape;
    entry.size = dtype_bytes(entry.dtype);
    for (const int64_t n : entry.shape) {
      if (!__builtin_mul_overflow(entry.size, static_cast<size_t>(n), &entry.size)) continue;
      fail(path, "tensor '{}': its shape overflows 64 bits.", tensor.name);
    }
    entry.begin = offset;
    offset += entry.size;
    const int64_t heads = heads_paired_in(entry.name, config_);
    if (heads > 0 && entry.shape.front() % (2 * heads) != 0) {
      fail(path, "tensor '{}': {} rows are no pairs of {} heads.", tensor.name, entry.shape.front(), heads);
    }
    if (heads > 0 && entry.shape.size() == 1 && tensor.type->block > 1) {
      fail(path, "tensor '{}': a bias of type {} is not read.", tensor.name, tensor.type->name);
    }
    paired_heads_.push_back(heads);
    tensors_.push_back(&tensor);
    header_.tensors.push_back(std::move(entry));
  }
  header_.metadata = {{"format", "pt"}};
  check_names();
}

// A tensor that nothing reads would be left out of the computation in silence.
void GgufModel::check_names() const {
  std::set<std::string> known;
  const Layout layout = layout_of(read_architecture(config_, path()));
  for (const TensorShape& tensor : layout.tensors) known.insert(with_prefix(layout, layout.prefix, tensor.name));
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (known.count(header_.tensors[i].name) > 0) continue;
    fail(path(), "tensor '{}': a model of this architecture and these sizes has none of this name.", tensors_[i]->name);
  }
}

at::Tensor GgufModel::tensor(size_t index) const {
  const TensorEntry& entry = header_.tensors[index];
  const GgufTensor& stored = *tensors_[index];
  const GgufType& type = *stored.type;
  const bool whole = entry.shape.size() == 1 && paired_heads_[index] == 0;
  const int64_t rows = whole ? 1 : entry.shape.front();
  const size_t row_bytes = stored.size / rows;
  const size_t made_bytes = entry.size / rows;
  const auto* from = reinterpret_cast<const unsigned char*>(file_.data() + stored.begin);
  at::Tensor value = at::empty(entry.shape, scalar_type_of(entry.dtype, path()));
  auto* to = static_cast<unsigned char*>(value.data_ptr());
  // Each row is written where it belongs: another tensor to sort them in would stay in the heap as a hole.
  const RowOrder order{paired_heads_[index], rows};
  at::parallel_for(0, rows, kRowsATask, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      make_row(type, from + row * row_bytes, row_bytes, to + order.of(row) * made_bytes);
    }
  });
  file_.release(stored.begin, stored.size);
  return value;
}

}  // namespace circuit
