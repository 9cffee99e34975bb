#include "tuning/tuning_settings.h"

#include "tuning/method.h"

namespace circuit {

void TuningSettings::declare(Settings* s) {
  std::vector<std::string> names;
  std::string help;
  for (const TuningMethod* m : tuning_methods()) {
    names.emplace_back(m->name());
    help += help.empty()        ? std::string(m->name()) + "; or a baseline: "
            : names.size() == 2 ? m->help()
                                : std::string(", ") + m->help();
    if (names.size() > 1) help += std::string(" (") + m->name() + ")";
  }
  s->section("tuning");
  s->add("method", &method, help + ".").one_of(names);
  s->add("steps", &steps, "Updates.").at_least(1).in("steps");
  s->add("batch", &batches.batch, "Records in a micro-batch.").range(1, 1e6).in("records");
  s->add("accumulation", &batches.accumulation, "Micro-batches per update.").range(1, 1e6);
  s->add("seed", &batches.seed, "Seed of the data order and of random selection.").at_least(0);
  s->add("shared_biases", &slices.shared_biases,
         "Train a layer's output bias when one of its heads (its MLP) is upstream.");
  s->add("train_norms", &slices.train_norms,
         "Train a norm when one of its readers is selected, or for a norm of outputs a writer.");
  s->add("train_embeddings", &slices.train_embeddings, "Train embeddings when input is selected.");
  s->add("train_unembedding", &slices.train_unembedding,
         "Train the head when logits is selected; a tied matrix needs train_embeddings too.");
  s->add("state_on_return", &on_return,
         {{"keep", SliceStore::OnReturn::kKeep}, {"reset", SliceStore::OnReturn::kReset}},
         "Optimiser state of a slice that left and returns.");
  s->add("readout_weight", &readout_weight, "Factor of the loss at readout tokens.").range(0, 1e6);
  s->add("readout_only", &readout_only, "The loss counts readout tokens only.");
  s->add("regulariser", &regulariser, "b: adds b times the mean |logit difference| at readouts to the loss.")
      .range(0, 1e6);
  s->add("anchor", &anchor,
         "b: adds b times KL(base || model) to the loss at every token of the records that is no readout, so that only "
         "what the readouts teach may change.")
      .range(0, 1e6)
      .since_version("0.3");
  s->add("anchor_replay", &anchor_replay,
         "b: replayed text counts b times its KL(base || model) instead of its likelihood, but for the words that "
         "readouts of data.train answer; 0: its likelihood.")
      .range(0, 1e6)
      .since_version("0.3");
  s->add(
       "null_space", &null_space,
       "Share of the squared inputs that general text, which data.replay gives, has at each linear layer: updates are "
       "projected away from the directions that hold it; what is no map of inputs (biases, norms, embeddings) stays as "
       "it is. 0: none.")
      .below(0, 1)
      .since_version("0.3");
  s->add("general_windows", &general_windows,
         "Windows of data.replay that tuning.null_space, optimizer.curvature and selection.slices = contrastive read.")
      .range(1, 1e6)
      .in("windows")
      .since_version("0.3");
  s->add("match_parameters", &match_parameters,
         "lora: take the rank whose parameters come nearest to those of the first circuit. Other methods as they are: "
         "random has its size anyway.");
  s->add("max_loss", &max_loss, "Nats per token above which the run stops; 0: no bound.")
      .range(0, 1e6)
      .in("nats per token");
  s->add("recompute", &recompute, "Make activations again in the backward: less memory, more time.");
  for (const TuningMethod* m : tuning_methods()) {
    s->section(m->name());
    for (const AnyParameter* parameter : m->parameters()) parameter->declare(s, &own[m->name()]);
  }
}

const Parameters& TuningSettings::own_of(const std::string& name) const {
  static const Parameters none;
  const auto found = own.find(name);
  return found == own.end() ? none : found->second;
}

}  // namespace circuit
