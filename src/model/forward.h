// The forward pass, with what a backward, a score or an ablation needs kept on request.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/embedding.h"
#include "model/forward_cache.h"
#include "model/model.h"
#include "model/token_batch.h"

namespace circuit {

ForwardCache forward(const Model& model, const TokenBatch& batch, Keep keep, const ReadRows& read = {});

// A forward from another node `input` in place of the token embedding, [tokens, d_model].
ForwardCache forward_from(const Model& model, const TokenBatch& batch, const at::Tensor& embedding, Keep keep,
                          const ReadRows& read = {});

// A run with one block's output replaced, worked from that block's layer up; what lies below is shared with
// `below`, a run of the same batch that kept a backward.
ForwardCache forward_replacing(const Model& model, const TokenBatch& batch, const ForwardCache& below,
                               const Replacement& replacement, Keep keep, const ReadRows& read = {});

// What kBackward would have kept of layer l, from the stream that `cache` kept before it.
void remake_layer(const Model& model, const TokenBatch& batch, int64_t l, ForwardCache* cache);

// Logits of the given rows of the last stream. rows [n] int64, undefined: all → [n, vocab].
at::Tensor logits_of(const Model& model, const at::Tensor& x_final, const at::Tensor& rows = {});

}  // namespace circuit
