// Sums over a fixed binary tree of parts. Floating-point sums depend on their order, so the order may not depend on who
// added what: part i of n is a leaf, node (k, i) is the sum of leaves i 2^k … (i + 1) 2^k − 1, and what is left over
// where n is no power of two is added from the right. Each rank adds a range of leaves and sends the nodes that lie in
// it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ranks/communicator.h"

namespace circuit {

class TreeSum {
 public:
  // Values of part `leaf`; leaves come in ascending order, without gaps. Summed in place, in their own dtype (BF16 in
  // float32): they are the tree's from here on. All leaves have the same number of values; an undefined one is nothing
  // (and −0 + nothing is −0).
  void add(int64_t leaf, std::vector<at::Tensor> values);

  // The sum over all ranks' leaves, the same bytes on every rank; empty where no rank had one. Uses the tree up.
  std::vector<at::Tensor> finish(Communicator& ranks, const std::string& what);
  // The same, but value i on rank owners[i] alone, undefined on the others.
  std::vector<at::Tensor> finish_at(Communicator& ranks, const std::string& what, const std::vector<int>& owners);

 private:
  struct Node {
    int64_t first = 0;  // leaf
    int64_t leaves = 1;
    std::vector<at::Tensor> values;
  };
  void push(Node node);
  std::vector<at::Tensor> fold();
  at::Tensor packed(const std::vector<int>& owners, int rank) const;

  std::vector<Node> nodes_;  // ascending, each the largest that its leaves make
};

}  // namespace circuit
