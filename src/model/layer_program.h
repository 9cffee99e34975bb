// The one interpreter of a layer: it walks the blocks that the layer's spec lists and knows which stream each reads.
// What a block does, and how what blocks wrote joins the stream, is its engine's: the forward's, generation's, the
// backward's, a circuit's.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

#include "model/architecture.h"

namespace circuit {

// The stream after the layer from that before it, x. An engine has
//   Written                                                      what a block wrote
//   Written work(const BlockSpec& block, const at::Tensor& x)    x: the stream that the block reads
//   at::Tensor join(const at::Tensor& stream, const std::vector<Written>& written)    in the order of the blocks
// What blocks wrote waits until a block reads it, or the layer ends.
template <class Engine>
at::Tensor walk_layer(const LayerSpec& layer, const at::Tensor& x, Engine& engine) {
  at::Tensor stream = x;
  std::vector<typename Engine::Written> waiting;
  for (const BlockSpec& block : layer.blocks) {
    const bool input = block.reads == BlockReads::kLayerInput;
    if (!input && !waiting.empty()) stream = engine.join(stream, std::exchange(waiting, {}));
    waiting.push_back(engine.work(block, input ? x : stream));
  }
  return engine.join(stream, waiting);
}

// The gradient at the stream before the layer from that after it, d. An engine has
//   at::Tensor back(const BlockSpec& block, const at::Tensor& d)
// d: at the stream that holds what the block wrote; returns the gradient at what it read, undefined: none.
template <class Engine>
at::Tensor walk_layer_back(const LayerSpec& layer, at::Tensor d, Engine& engine) {
  std::vector<at::Tensor> at_input;
  for (auto block = layer.blocks.rbegin(); block != layer.blocks.rend(); ++block) {
    const at::Tensor passed = engine.back(*block, d);
    if (!passed.defined()) continue;
    if (block->reads == BlockReads::kLayerInput) {
      at_input.push_back(passed);
    } else {
      d = d + passed;
    }
  }
  for (const at::Tensor& passed : at_input) d = d + passed;
  return d;
}

}  // namespace circuit
