#include "scoring/memory.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/setting_name.h"
#include "model/blocks/block.h"
#include "ranks/communicator.h"
#include "scoring/edge_accumulator.h"
#include "scoring/folded_weights.h"

namespace circuit {
namespace {

// Elements per token that one layer takes.
struct LayerElements {
  int64_t backward;  // what a forward keeps for its backward and as node outputs
  int64_t released;  // of that, freed as the backward passes
  int64_t outputs;   // one copy of the node outputs
  int64_t readers;   // compact gradients of the readers
  int64_t working;   // live while the layer is worked on
};

// Every layer is taken for one with the most channels.
int64_t widest_layer(const Architecture& a) {
  int64_t widest = 0;
  for (int64_t l = 1; l < a.n_layers; ++l) {
    if (a.mlp_channels(l) > a.mlp_channels(widest)) widest = l;
  }
  return widest;
}

// Of a q, k or v reader's gradient before it is multiplied to the stream.
int64_t reader_width(const Architecture& a) {
  const auto& latent = a.layer(0).attention.latent;
  if (!latent) return a.d_head;
  return std::max(
      {latent->q_rank > 0 ? latent->q_rank : a.d_head, latent->kv_rank + a.layer(0).attention.rotary->dims});
}

LayerElements layer_elements(const Architecture& a, const Graph& graph, int64_t spans, int64_t longest) {
  const int64_t layer = widest_layer(a);
  const int64_t channels = a.mlp_channels(layer);
  const bool blocks = graph.splits_mlps();
  const int64_t d = a.d_model;
  const int64_t heads = a.n_heads * a.value_width();
  const int64_t hidden = channels * a.layer(layer).mlp.inputs_per_channel();
  const BlockCost cost = layer_cost(a, layer, longest);
  LayerElements e{};
  e.released = cost.released;
  e.backward = cost.kept + cost.node_outputs;
  e.outputs = heads + (blocks ? channels : d);
  e.readers = (a.n_heads + 2 * spans * graph.kv_nodes()) * reader_width(a) + (blocks ? hidden : d);
  e.working = 2 * cost.made + cost.probs + 6 * d;
  return e;
}

int64_t element_size(const Model& model) { return static_cast<int64_t>(model.embedding().element_size()); }

ScorePlan base_plan(const Model& model, int64_t longest) {
  // Scores of a tile of attention, three of them, where they are not kept.
  constexpr int64_t kAttentionTiles = int64_t{3} << 26;
  ScorePlan plan;
  plan.weights = model.parameter_count() * element_size(model);
  plan.fixed = keeps_probs(model.architecture(), longest) ? 0 : kAttentionTiles;
  plan.tokens = longest;
  return plan;
}

}  // namespace

int64_t ScorePlan::tiles(int64_t batch) const {
  const int64_t positions = tokens * batch;
  const int64_t size = std::min(tile.most, positions);
  if (size == 0) return 0;
  return tile.position * size * std::min<int64_t>(at::get_num_threads(), (positions + size - 1) / size);
}

int64_t ScorePlan::fitting_batch(int64_t wanted, int64_t limit) const {
  int64_t fits = 0;
  for (int64_t least_not = wanted + 1; fits + 1 < least_not;) {
    const int64_t middle = fits + (least_not - fits) / 2;
    (total(middle) <= limit ? fits : least_not) = middle;
  }
  return fits;
}

ScorePlan plan_score(const Model& model, const Graph& graph, const Scorer& scorer, const ScoreSpec& spec,
                     int64_t longest) {
  if (scorer.memory.caches == 0) return plan_circuits(model, graph, longest);
  const Architecture& a = model.architecture();
  const int64_t spans = std::max<int64_t>(1, static_cast<int64_t>(spec.spans.size()));
  const LayerElements e = layer_elements(a, graph, spans, longest);
  const int64_t element = element_size(model);
  ScorePlan plan = base_plan(model, longest);
  const int64_t layer = widest_layer(a);
  const int64_t channels = a.mlp_channels(layer);
  int64_t folded = 0;
  if (copies_projections(model, graph)) {
    folded = a.layer(0).attention.latent ? a.n_heads * a.d_head : (a.n_heads + 2 * graph.kv_nodes()) * a.d_head;
  }
  if (model.norms_outputs()) folded += a.n_heads * a.d_head;
  if (graph.splits_mlps())
    folded += channels * a.layer(layer).mlp.inputs_per_channel() + (model.norms_outputs() ? channels : 0);
  const int64_t wide = model.dtype() == at::kDouble ? 8 : 4;
  // Copies of W_O and of blocks' W_out, where they are not contracted in the model's own dtype.
  if (element != wide && !model.norms_outputs()) folded += a.n_heads * a.d_head + (graph.splits_mlps() ? channels : 0);
  plan.fixed += a.n_layers * folded * a.d_model * wide;
  plan.tile = tile_cost(model, graph, spans);
  const int64_t sums = spans * graph.n_upstream() * ReaderSlots(graph, spans).count();
  plan.fixed +=
      sums * (static_cast<int64_t>(sizeof(double)) * 2 + at::get_num_threads() * static_cast<int64_t>(sizeof(float)));
  // Streams of the runs that wait to be contracted together; a fifth more of everything is what the allocator keeps
  // between blocks of different sizes (peaks at GPT-2-small shape were 1.2 times the sum of the shapes).
  const int64_t waiting = (scorer.memory.runs - 1) * a.d_model + (scorer.memory.runs > 1 ? e.readers : 0);
  const int64_t kept = scorer.memory.caches * e.backward + waiting + scorer.memory.outputs * e.outputs +
                       std::max<int64_t>(0, e.readers - e.released);
  plan.per_token = (a.n_layers * kept + e.working + 4 * a.d_model) * element * 6 / 5;
  plan.per_token += scorer.memory.node_copies * graph.n_upstream() * a.d_model * wide;
  return plan;
}

ScorePlan plan_circuits(const Model& model, const Graph& graph, int64_t longest) {
  const Architecture& a = model.architecture();
  const LayerElements e = layer_elements(a, graph, 1, longest);
  int64_t most_readers = 0;
  for (int64_t l = 0; l < a.n_layers; ++l) most_readers = std::max(most_readers, graph.readers_in(l));
  ScorePlan plan = base_plan(model, longest);
  // A copy per node, the ablated streams before every block, and one layer's readers: their streams, normed too; all of
  // them in float32 at least.
  const int64_t streams = (graph.n_upstream() + 2 * a.n_layers + 2 * most_readers) * a.d_model;
  const int64_t others = a.n_layers * e.outputs + 4 * a.n_heads * a.d_head + e.working;
  plan.per_token = streams * std::max<int64_t>(4, element_size(model)) + others * element_size(model);
  return plan;
}

int64_t batch_in_memory(const ScorePlan& plan, int64_t wanted, const ComputeSpec& compute) {
  const int64_t limit = memory_limit(compute);
  int64_t batch = plan.fitting_batch(wanted, limit);
  const auto bytes = [](int64_t n) { return format_bytes(static_cast<double>(n)); };
  if (batch == 0) {
    fail(setting("memory"),
         "one record of {} tokens takes about {}, expected at most {}. Give more memory, set {}, or "
         "use {} bf16.",
         plan.tokens, bytes(plan.total(1)), bytes(limit), setting("max_length"), setting("dtype"));
  }
  // Batches are what ranks share out: all have the same.
  for (const std::string& other : gather(world(), "records in a batch", std::to_string(batch)))
    batch = std::min<int64_t>(batch, std::stoll(other));
  // What is at hand is so beside the program, which therefore counts in what is said alone.
  const int64_t program = resident_beside(plan.weights);
  log_info("memory: at most about {}: weights {}, the program {}, {} for scores, {} a token; batches of {}{}.",
           bytes(program + plan.total(batch)), bytes(plan.weights), bytes(program),
           bytes(plan.fixed + plan.tiles(batch)), bytes(plan.per_token), batch,
           batch < wanted ? fmt::format(" instead of {} to stay inside {}", wanted, bytes(limit)) : "");
  return batch;
}

}  // namespace circuit
