#include "scoring/channel_weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "model/embedding.h"
#include "scoring/folded_weights.h"
#include "scoring/output_weights.h"

namespace circuit {
namespace {

// Tokens of the vocabulary that are converted and squared at a time.
constexpr int64_t kTokensAtOnce = 4096;

template <typename Each>
void for_vocabulary(const Model& model, const Each& each) {
  const int64_t vocabulary = model.embedding().size(0);
  for (int64_t first = 0; first < vocabulary; first += kTokensAtOnce) {
    each(first, std::min(kTokensAtOnce, vocabulary - first));
  }
}

// Of [nodes, width, d_model]: [nodes, d_model]. Over one dimension that is not the last, so that threads share out
// sums and split none.
at::Tensor squares_of(const at::Tensor& weight) { return weight.square().sum(1, false, at::kDouble); }

at::Tensor squares_of(const FoldedReaders& readers) {
  const at::Tensor squares = squares_of(readers.weight);
  return readers.scale.defined() ? squares * readers.scale.to(at::kDouble).square() : squares;
}

at::Tensor router_squares(const Model& model, const LayerWeights& w) {
  const RouterWeights& r = w.router;
  const at::Tensor read = r.shared_gate.defined() ? at::cat({r.weight, r.shared_gate}, 1) : r.weight;
  return squares_of(fold_readers(contraction_type(model), read.unsqueeze(1), {}, w.mlp_norm));
}

at::Tensor unembedding_squares(const Model& model) {
  const double scale = model.architecture().head.scale;
  at::Tensor sum = at::zeros({1, model.architecture().d_model}, model.embedding().options().dtype(at::kDouble));
  for_vocabulary(model, [&](int64_t first, int64_t count) {
    const at::Tensor read = model.unembedding().narrow(0, first, count).t().unsqueeze(1);
    sum.add_(squares_of(fold_readers(contraction_type(model), read, {}, model.final_norm())));
  });
  return sum * (scale * scale);
}

}  // namespace

at::Tensor writer_squares(const Model& model, const Graph& graph) {
  const auto options = model.embedding().options().dtype(at::kDouble);
  at::Tensor all = at::zeros({graph.n_upstream(), model.architecture().d_model}, options);
  for_vocabulary(model, [&](int64_t first, int64_t count) {
    const at::Tensor ids = at::arange(first, first + count, model.embedding().options().dtype(at::kLong));
    all.narrow(0, 0, 1).add_(squares_of(token_embedding(model, ids).to(contraction_type(model)).unsqueeze(0)));
  });
  for (int64_t l = 0; l < graph.n_layers(); ++l) {
    all.narrow(0, graph.head(l, 0), graph.n_heads()).copy_(squares_of(head_outputs(model, l)));
    all.narrow(0, graph.mlp(l), graph.mlp_blocks(l)).copy_(squares_of(mlp_outputs(model, graph, l)));
  }
  return all;
}

at::Tensor reader_squares(const Model& model, const Graph& graph) {
  const auto options = model.embedding().options().dtype(at::kDouble);
  at::Tensor all = at::zeros({graph.n_downstream(), model.architecture().d_model}, options);
  const auto put = [&](int64_t first, const at::Tensor& squares) {
    all.narrow(0, first, squares.size(0)).copy_(squares);
  };
  for (int64_t l = 0; l < graph.n_layers(); ++l) {
    const FoldedLayer attention = fold_attention(model, graph, l);
    put(graph.query(l, 0), squares_of(attention.q));
    put(graph.key(l, 0), squares_of(attention.k));
    put(graph.value(l, 0), squares_of(attention.v));
    put(graph.mlp_in(l), squares_of(fold_mlp(model, graph, l)));
    if (graph.has_router(l)) put(graph.router(l), router_squares(model, model.layers()[l]));
  }
  put(graph.logits(), unembedding_squares(model));
  return all;
}

EdgeScores root_scores(const Graph& graph, const at::Tensor& squares, double tokens) {
  const at::Tensor sums = squares.to(at::kCPU).contiguous();
  const auto* s = sums.data_ptr<double>();
  EdgeScores scores;
  scores.values.reserve(graph.n_edges());
  for (int64_t v = 0; v < graph.n_downstream(); ++v) {
    for (int64_t u = 0; u < graph.visible(v); ++u) {
      const double score = std::sqrt(s[u * graph.n_downstream() + v] / tokens);
      if (!std::isfinite(score)) {
        fail("scoring",
             "the score of edge {} is not finite: weights, or activations on this data, overflow. When tuning, lower "
             "optimizer.lr.",
             graph.edge_name(graph.edge_id(u, v)));
      }
      scores.values.push_back(static_cast<float>(score));
    }
  }
  return scores;
}

}  // namespace circuit
