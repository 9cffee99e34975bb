#include "graph/slice_builder.h"

namespace circuit {

int64_t SliceBuilder::make(const std::string& node, const std::string& tensor, int64_t dim, int64_t start,
                           int64_t length) {
  const auto [found, fresh] = made_.emplace(std::make_tuple(tensor, dim, start), static_cast<int64_t>(slices_.size()));
  if (!fresh) return found->second;
  const at::Tensor& parameter = model_.parameter(tensor);
  slices_.push_back({node, tensor, dim, start, length, parameter.numel() / parameter.size(dim) * length});
  return static_cast<int64_t>(slices_.size()) - 1;
}

void SliceBuilder::unit(const std::string& node, const TensorRef& ref, int64_t i, std::vector<int64_t>* owner) {
  if (ref.present()) owner->push_back(make(node, ref.tensor, ref.unit_dim, ref.start(i), ref.unit));
}

void SliceBuilder::channels(const std::string& node, int64_t layer, const TensorRef& ref, int64_t block,
                            std::vector<int64_t>* owner) {
  if (!ref.present()) return;
  const int64_t length = graph_.mlp_block(layer) * ref.unit;
  owner->push_back(make(node, ref.tensor, ref.unit_dim, ref.first + block * length, length));
}

void SliceBuilder::expert(const std::string& node, const ExpertRef& ref, std::vector<int64_t>* owner) {
  if (!ref.present()) return;
  if (ref.part >= 0) {
    owner->push_back(make(node, ref.tensor, 0, ref.part, 1));
  } else if (ref.inputs > 0) {
    owner->push_back(make(node, ref.tensor, ref.transposed ? 1 : 0, ref.first_input, ref.inputs));
  } else {
    const bool matrix = model_.parameter(ref.tensor).dim() == 2;
    owner->push_back(make(node, ref.tensor, matrix && !ref.transposed ? 1 : 0, ref.first, ref.count));
  }
}

void SliceBuilder::whole(const std::string& node, const std::string& tensor, std::vector<int64_t>* owner) {
  if (!tensor.empty()) owner->push_back(make(node, tensor, 0, 0, model_.parameter(tensor).size(0)));
}

std::vector<int64_t> SliceBuilder::wholes(const std::string& node, const std::vector<std::string>& tensors) {
  std::vector<int64_t> ids;
  for (const std::string& tensor : tensors) whole(node, tensor, &ids);
  return ids;
}

void SliceBuilder::add(const std::vector<int64_t>& ids, std::vector<int64_t>* owner) {
  owner->insert(owner->end(), ids.begin(), ids.end());
}

}  // namespace circuit
