// Keys and values of several sequences of different lengths, and the attention of one new token of each over them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "model/model.h"
#include "model/token_batch.h"

namespace circuit {

// A sequence lives in a slot; the live ones are slots 0 … live() − 1. Room for tokens doubles as it is needed, so that
// a token is copied a bounded number of times. Layers with a window keep all tokens and read the window.
class KeyValueCache {
 public:
  // Up to `slots` sequences of up to `longest` tokens; takes no memory yet. The model must outlive it.
  KeyValueCache(const Model& model, int64_t slots, int64_t longest);

  int64_t live() const { return static_cast<int64_t>(lengths_.size()); }
  int64_t length(int64_t slot) const { return lengths_[slot]; }

  // New slots, one per sequence, after the live ones; put fills a layer of them: k, v [tokens, Hk · d_head], rotated.
  void open(const TokenBatch& sequences);
  void put(int64_t layer, const TokenBatch& sequences, const at::Tensor& k, const at::Tensor& v);

  // One more token in every live slot; then, layer by layer, its q [live, H · d_head] and k, v [live, Hk · d_head],
  // rotated, give z [live, H · d_head].
  void extend();
  at::Tensor attend(int64_t layer, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

  // Frees a slot; the last live one moves into it.
  void remove(int64_t slot);

 private:
  // Keys that some slot's new token sees: a range of the cache, and what to add to scores. mask [live, 1, keys];
  // undefined: every slot sees them all.
  struct Seen {
    int64_t first = 0;
    int64_t keys = 0;
    at::Tensor mask;
  };
  Seen seen_within(const std::optional<int64_t>& window) const;
  void make_room(int64_t tokens);

  const Model& model_;
  int64_t slots_;
  int64_t longest_;
  int64_t capacity_ = 0;
  std::vector<at::Tensor> k_, v_;  // per layer, [slots, Hk, capacity, width]; finite everywhere
  std::vector<int64_t> lengths_;   // of the live slots
  at::Tensor new_rows_;  // [live · Hk] int64, where the new tokens stand in a layer's [slots · Hk · capacity] rows
  std::vector<Seen> seen_;  // per kind of layer
};

}  // namespace circuit
