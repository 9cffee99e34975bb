#include "tuning/general_text.h"

#include <string>

#include "core/rng.h"
#include "ranks/shares.h"

namespace circuit {

void read_general(const Model& model, const GeneralText& general, const std::function<WeightSink&(int64_t)>& begin,
                  const std::function<void(int64_t)>& end) {
  Rng rng = Rng(general.seed).split("general text " + std::to_string(general.step));
  std::vector<const Example*> drawn;
  for (int64_t i = 0; i < general.windows; ++i) drawn.push_back(&general.text[rng.below(general.text.size())]);
  const Share share = share_of(general.windows, world());
  for (int64_t i = share.first; i < share.last; ++i) {
    const ExampleBatch batch = make_example_batch({drawn[i]}, model.architecture(), model.device());
    WeightSink& sink = begin(i);
    if (batch.n_targets() > 0) {
      const Keep keep = general.recompute ? Keep::kStreams : Keep::kBackward;
      ForwardCache run = forward(model, batch.tokens, keep, {batch.targets.rows});
      const bool head = sink.wants(model.layout().unembedding);
      const Loss loss = nll_loss(model, run.x_final, batch.targets,
                                 head ? LossGradient::kStreamAndUnembedding : LossGradient::kStream);
      weight_gradients(model, batch.tokens, run, loss, 1.0 / static_cast<double>(batch.n_targets()), sink);
    }
    end(i);
  }
}

}  // namespace circuit
