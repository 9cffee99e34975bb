// The MLP: one writer and one reader, or one of each for every block of its channels.
#include <fmt/core.h>

#include "graph/graph.h"
#include "graph/slice_builder.h"

namespace circuit {
namespace {

constexpr double kRise = 46;  // an MLP stands above its layer's heads, which it reads

int64_t blocks(const Graph& graph) { return graph.mlp_blocks(); }
int64_t lane(const Graph&) { return 2; }

std::string name(const Graph& graph, int64_t layer, int64_t block) {
  return graph.mlp_blocks() == 1 ? fmt::format("m{}", layer) : fmt::format("m{}.b{}", layer, block);
}

void own_slices(SliceBuilder& b, int64_t l) {
  const Graph& graph = b.graph();
  const LayerLayout& at = b.layout(l);
  for (int64_t j = 0; j < graph.mlp_blocks(); ++j) {
    const std::string mlp = name(graph, l, j);
    b.channels(mlp, at.w_out, j, &b.upstream(graph.mlp(l, j)).own);
    for (const TensorRef* in : {&at.w_in, &at.b_in, &at.w_gate, &at.b_gate}) {
      b.channels(mlp, *in, j, &b.downstream(graph.mlp_in(l, j)).own);
    }
  }
}

void slices(SliceBuilder& b, int64_t l, SlicePart part) {
  const Block block{BlockKind::kMlp, l};
  const LayerLayout& at = b.layout(l);
  if (part == SlicePart::kOwn) own_slices(b, l);
  if (part == SlicePart::kBias) {
    const std::vector<int64_t> bias = b.wholes(fmt::format("m{}.bias", l), {at.b_out});
    for (const int64_t u : b.graph().writers(block)) b.upstream(u).bias = bias;
  }
  if (part == SlicePart::kNorms) {
    const std::vector<int64_t> norm = b.wholes(fmt::format("m{}.norm", l), {at.mlp_norm, at.mlp_norm_bias});
    for (const int64_t v : b.graph().readers(block)) b.downstream(v).norms = norm;
  }
  if (part == SlicePart::kPostNorm) {
    const std::vector<int64_t> norm = b.wholes(fmt::format("m{}.post_norm", l), {at.mlp_post_norm});
    for (const int64_t u : b.graph().writers(block)) b.upstream(u).norms = norm;
  }
}

}  // namespace

const NodeKind kMlpNode{name, blocks, false, lane, kRise};
const NodeKind kMlpReader{name, blocks, false, lane, kRise};

BlockNodes mlp_nodes() { return {BlockKind::kMlp, {&kMlpNode}, {&kMlpReader}, slices}; }

}  // namespace circuit
