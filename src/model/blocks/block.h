// The kinds of blocks that layers are made of (BlockSpec): what each does in a forward, a generation and a backward,
// and what it costs. One file a kind, one line in blocks.cc.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "model/backward.h"
#include "model/blocks/query_key_value.h"
#include "model/forward_cache.h"
#include "model/model.h"
#include "model/token_batch.h"

namespace circuit {

struct ForwardPass {
  const Model& model;
  const TokenBatch& batch;
  const RotaryTables& rotary;
  Keep keep;
  const ReadRows& read;
  const Replacement* replacement;  // null: none

  // What is to stand for this block's output; null: nothing.
  const at::Tensor* replaced(const Block& block) const {
    return replacement != nullptr && replacement->block == block ? &replacement->output : nullptr;
  }
};

// What a block wrote: a bias comes after what all blocks wrote, and is not part of the node's output.
struct Written {
  at::Tensor out;   // [n, d_model]
  at::Tensor bias;  // [d_model]; undefined: none, or in `out` already
};

// New tokens after those of a cache.
struct GenerationPass {
  const Model& model;
  const RotaryTables& rotary;
  // z [tokens, n_heads · d_head] of layer l.
  const std::function<at::Tensor(int64_t l, const QueryKeyValue&)>& attend;
};

struct BackwardPass {
  const Model& model;
  const TokenBatch& batch;
  ForwardCache& cache;
  KeyValueGradients form;
  CacheUse use;
  BackwardVisitor& visitor;
  Rule rule;
};

// Elements per token.
struct BlockCost {
  int64_t made = 0;          // temporaries of the block itself
  int64_t probs = 0;         // of them, attention's probabilities
  int64_t slopes = 0;        // temporaries of the backward alone
  int64_t kept = 0;          // for the backward
  int64_t released = 0;      // of what is kept, freed as the backward passes; node outputs stay
  int64_t node_outputs = 0;  // kept beside `kept` when node outputs are wanted too
};

struct BlockMethods {
  BlockKind kind;
  bool mixes_positions;  // whether a token's output depends on other tokens
  // From the stream it reads, x, [tokens, d_model] or at `rows` only; writes at `rows` (undefined: all). Into `cache`
  // goes what pass.keep asks for, and what the rest of the layer's forward takes from there.
  Written (*forward)(const ForwardPass& pass, int64_t l, const at::Tensor& x, const at::Tensor& rows,
                     LayerCache* cache);
  // What it writes for new tokens, biases included.
  at::Tensor (*generate)(const GenerationPass& pass, int64_t l, const at::Tensor& x);
  // From the gradient at the stream that holds what it wrote to that at the stream it read, [tokens, d_model] each;
  // shows its gradients to the visitor. rows: outside them the gradient at the stream is zero; undefined: anywhere.
  at::Tensor (*backward)(BackwardPass& pass, int64_t l, const at::Tensor& rows, const at::Tensor& d_stream);
  // longest: tokens of the longest sequence.
  BlockCost (*cost)(const Architecture& architecture, int64_t l, int64_t longest);
};

const std::vector<BlockMethods>& block_kinds();
const BlockMethods& methods_of(BlockKind kind);

BlockMethods attention_block();
BlockMethods mlp_block();

// Whether a block that comes after this one in its layer mixes positions: it needs the stream at every token.
bool mixed_after(const LayerSpec& layer, const BlockSpec& block);

// Summed over a layer's blocks.
BlockCost layer_cost(const Architecture& architecture, int64_t l, int64_t longest);

}  // namespace circuit
