#include "model/memory.h"

#include <algorithm>

#include "core/error.h"
#include "model/attention.h"
#include "model/families/family.h"

namespace circuit {

MemoryPlan plan_memory(const Architecture& a, int64_t parameters, Pass pass, int64_t sequences, int64_t longest,
                       int64_t element_bytes) {
  const LayerSpec& spec = a.layer(0);
  const int64_t tokens = sequences * longest;
  const int64_t heads = a.n_heads * a.d_head;
  const int64_t kv = 2 * a.n_kv_heads * a.d_head;
  const int64_t hidden = a.d_mlp * spec.mlp.inputs_per_channel();
  const int64_t probs = keeps_probs(a, longest) ? a.n_heads * longest : 0;
  // Live while one layer is worked on, whatever is kept: projections, scores and hidden channels twice over.
  int64_t working = 2 * (heads + kv + probs + hidden) + 4 * a.d_model;
  // A cap's backward makes the scores again, and their slopes.
  if (pass != Pass::kForward && spec.attention.softcap) working += 2 * probs;
  int64_t per_layer = 0;
  if (pass != Pass::kForward) per_layer = 2 * a.d_model + 2 * heads + kv + probs + hidden;
  // The q/k norm keeps the projections' outputs beside what attention took.
  if (pass != Pass::kForward && spec.attention.qk_norm) per_layer += heads + kv / 2;
  // A post-norm keeps what it norms: attention's output and the MLP's.
  if (pass != Pass::kForward && spec.post_norm(BlockKind::kMlp)) per_layer += 2 * a.d_model;
  if (pass == Pass::kTrainRecomputing) {
    working += per_layer;
    per_layer = a.d_model;
  }
  constexpr int64_t kLogitRows = 512;
  const int64_t copies = pass != Pass::kForward && a.head.softcap ? 4 : 2;  // with a cap, the logits and their slopes
  const int64_t logits = copies * std::min(tokens, kLogitRows) * a.vocab;
  MemoryPlan plan;
  plan.weights = parameters * element_bytes;
  plan.activations = (tokens * (a.n_layers * per_layer + working) + logits) * element_bytes;
  return plan;
}

int64_t count_parameters(const Architecture& architecture) {
  for (const Family& family : families()) {
    if (family.model_type != architecture.family) continue;
    int64_t count = 0;
    for (const TensorShape& t : family.layout(architecture).tensors) {
      int64_t elements = 1;
      for (const int64_t n : t.shape) elements *= n;
      count += elements;
    }
    return count;
  }
  fail("model", "family '{}' is not in the list.", architecture.family);
}

}  // namespace circuit
