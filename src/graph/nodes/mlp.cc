// The MLP: one writer and one reader, or one of each for every block of its channels. Of experts: one of each for every
// expert, and a reader for what chooses among them, which bears the MLP's name.
#include <fmt/core.h>

#include "graph/graph.h"
#include "graph/slice_builder.h"

namespace circuit {
namespace {

constexpr double kRise = 46;  // an MLP stands above its layer's heads, which it reads

int64_t blocks(const Graph& graph, int64_t layer) { return graph.mlp_blocks(layer); }
int64_t lane(const Graph&) { return 2; }

std::string name(const Graph& graph, int64_t layer, int64_t block) {
  const int64_t routed = graph.routed_experts(layer);
  if (routed > 0) {
    return block < routed ? fmt::format("m{}.e{}", layer, block) : fmt::format("m{}.s{}", layer, block - routed);
  }
  return graph.mlp_blocks(layer) == 1 ? fmt::format("m{}", layer) : fmt::format("m{}.b{}", layer, block);
}

int64_t router_lane(const Graph&) { return 3; }

int64_t routers(const Graph& graph, int64_t layer) { return graph.has_router(layer) ? 1 : 0; }
std::string router_name(const Graph&, int64_t layer, int64_t) { return fmt::format("m{}", layer); }

void expert_slices(SliceBuilder& b, int64_t l) {
  const Graph& graph = b.graph();
  const LayerLayout& at = b.layout(l);
  for (size_t e = 0; e < at.experts.size(); ++e) {
    const ExpertLayout& expert = at.experts[e];
    const auto block = static_cast<int64_t>(e);
    const std::string mlp = name(graph, l, block);
    for (const ExpertRef* out : {&expert.w_out, &expert.b_out}) {
      b.expert(mlp, *out, &b.upstream(graph.mlp(l, block)).own);
    }
    for (const ExpertRef* in : {&expert.w_in, &expert.b_in, &expert.w_gate, &expert.b_gate}) {
      b.expert(mlp, *in, &b.downstream(graph.mlp_in(l, block)).own);
    }
  }
  b.downstream(graph.router(l)).own = b.wholes(router_name(graph, l, 0), {at.router, at.router_bias, at.shared_gate});
}

void own_slices(SliceBuilder& b, int64_t l) {
  const Graph& graph = b.graph();
  const LayerLayout& at = b.layout(l);
  if (graph.has_router(l)) return expert_slices(b, l);
  for (int64_t j = 0; j < graph.mlp_blocks(l); ++j) {
    const std::string mlp = name(graph, l, j);
    b.channels(mlp, l, at.w_out, j, &b.upstream(graph.mlp(l, j)).own);
    for (const TensorRef* in : {&at.w_in, &at.b_in, &at.w_gate, &at.b_gate}) {
      b.channels(mlp, l, *in, j, &b.downstream(graph.mlp_in(l, j)).own);
    }
    // Of all blocks together.
    b.add(b.wholes(fmt::format("m{}", l), {at.slope_p, at.slope_n}), &b.downstream(graph.mlp_in(l, j)).own);
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

const NodeKind kRouterReader{router_name, routers, false, router_lane, kRise};

BlockNodes mlp_nodes() { return {BlockKind::kMlp, {&kMlpNode}, {&kMlpReader, &kRouterReader}, slices}; }

}  // namespace circuit
