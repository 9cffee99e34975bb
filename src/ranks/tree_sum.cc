#include "ranks/tree_sum.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <utility>

namespace circuit {
namespace {

void add_to(at::Tensor* sum, const at::Tensor& value) {
  if (!value.defined()) return;
  if (sum->defined()) {
    // A BF16 sum would lose what is 256 times smaller than itself.
    const bool narrow = sum->scalar_type() == at::kBFloat16 || sum->scalar_type() == at::kHalf;
    if (narrow) *sum = sum->to(at::kFloat);
    sum->add_(value);
  } else {
    *sum = value;
  }
}

}  // namespace

void TreeSum::push(Node node) {
  nodes_.push_back(std::move(node));
  while (nodes_.size() > 1) {
    Node& left = nodes_[nodes_.size() - 2];
    const Node& right = nodes_.back();
    const bool siblings = left.leaves == right.leaves && left.first % (2 * left.leaves) == 0;
    if (!siblings) return;
    for (size_t i = 0; i < left.values.size(); ++i) add_to(&left.values[i], right.values[i]);
    left.leaves *= 2;
    nodes_.pop_back();
  }
}

void TreeSum::add(int64_t leaf, std::vector<at::Tensor> values) { push({leaf, 1, std::move(values)}); }

std::vector<at::Tensor> TreeSum::fold() {
  while (nodes_.size() > 1) {
    Node& left = nodes_[nodes_.size() - 2];
    for (size_t i = 0; i < left.values.size(); ++i) add_to(&left.values[i], nodes_.back().values[i]);
    nodes_.pop_back();
  }
  std::vector<at::Tensor> values;
  if (!nodes_.empty()) values = std::move(nodes_.back().values);
  nodes_.clear();
  return values;
}

// A node's place, then its values; those that another rank owns are left out.
at::Tensor TreeSum::packed(const std::vector<int>& owners, int rank) const {
  std::vector<at::Tensor> all;
  for (const Node& node : nodes_) {
    all.push_back(at::tensor({node.first, node.leaves, static_cast<int64_t>(node.values.size())}, at::kLong));
    for (size_t i = 0; i < node.values.size(); ++i) {
      const bool wanted = owners.empty() || owners[i] == rank;
      all.push_back(wanted ? node.values[i] : at::Tensor());
    }
  }
  return pack(all);
}

std::vector<at::Tensor> TreeSum::finish(Communicator& ranks, const std::string& what) {
  return finish_at(ranks, what, {});
}

std::vector<at::Tensor> TreeSum::finish_at(Communicator& ranks, const std::string& what,
                                           const std::vector<int>& owners) {
  if (ranks.is_alone()) return fold();
  std::vector<at::Tensor> outgoing;
  for (int r = 0; r < ranks.count(); ++r) {
    const bool again = owners.empty() && r > 0 && r != ranks.rank() && outgoing[0].numel() > 0;
    outgoing.push_back(r == ranks.rank() ? at::empty({0}, at::kByte) : again ? outgoing[0] : packed(owners, r));
  }
  at::Device device = at::kCPU;
  std::vector<Node> own = std::move(nodes_);
  for (Node& node : own) {
    for (size_t i = 0; i < node.values.size(); ++i) {
      if (!owners.empty() && owners[i] != ranks.rank()) node.values[i] = at::Tensor();
      if (node.values[i].defined()) device = node.values[i].device();
    }
  }
  const std::vector<at::Tensor> incoming = ranks.exchange(what, std::move(outgoing));
  nodes_.clear();
  for (int r = 0; r < ranks.count(); ++r) {
    if (r == ranks.rank()) {
      for (Node& node : own) push(std::move(node));
      continue;
    }
    const std::vector<at::Tensor> all = unpack(incoming[r]);
    for (size_t at = 0; at < all.size();) {
      const auto* place = all[at].data_ptr<int64_t>();
      Node node{place[0], place[1], {all.begin() + at + 1, all.begin() + at + 1 + place[2]}};
      for (at::Tensor& t : node.values) {
        if (t.defined()) t = t.to(device);
      }
      at += 1 + node.values.size();
      push(std::move(node));
    }
  }
  return fold();
}

}  // namespace circuit
