#include "cli/tune_config.h"

#include "core/error.h"

namespace circuit {
namespace {

// The choices of a key are the list its stage registers.
template <class List>
std::vector<std::string> choices_of(const List& list) {
  std::vector<std::string> names;
  for (const auto& item : list) names.push_back(item.name);
  return names;
}

}  // namespace

std::vector<ConfigField> TuneConfig::fields() {
  constexpr double kMany = 1e12;
  const std::vector<std::string> any;
  return {
      {"model.path", &model_path, "Hugging Face model directory to start from.", 0, -1, any},
      {"data.train", &data_train, "Training records, JSON Lines.", 0, -1, any},
      {"data.dev", &data_dev, "Records that choose the best step; empty: the last step is kept.", 0, -1, any},
      {"data.test", &data_test, "Records evaluated before and after only; may be empty.", 0, -1, any},
      {"data.untouched", &data_untouched, "Plain text whose perplexity shows the cost; may be empty.", 0, -1, any},
      {"data.bos", &data_bos, "Begin token before every text.", 0, -1, {"auto", "always", "never"}},
      {"data.max_length", &data_max_length, "Tokens kept of a text; 0: all.", 0, kMany, any},
      {"discovery.method", &discovery_method, "Edge scores.", 0, -1, choices_of(scorers())},
      {"discovery.metric", &discovery_metric, "Metric whose gradient scores the edges.", 0, -1, choices_of(metrics())},
      {"discovery.ablation", &discovery_ablation, "What replaces an ablated output.", 0, -1,
       choices_of(ablations())},
      {"discovery.ig_steps", &discovery_ig_steps, "Gradients of the eap-ig methods.", 1, 1e6, any},
      {"discovery.positions", &discovery_positions, "Positions a score sums over.", 0, -1, {"all", "readout"}},
      {"discovery.every", &discovery_every, "K: steps between discoveries.", 1, kMany, any},
      {"discovery.batches", &discovery_batches, "Batches drawn for a discovery; 0: the step's own.", 0, kMany, any},
      {"discovery.ungrouped", &discovery_ungrouped, "Key and value readers per query head.", 0, -1, any},
      {"discovery.mlp_block", &discovery_mlp_block, "Channels of an MLP node; 0: an MLP is one node.", 0, kMany, any},
      {"selection.kind", &selection_kind, "How edges become a circuit.", 0, -1, choices_of(selectors())},
      {"selection.n", &selection_n, "N: edges of the circuit; nodes of kind top-nodes.", 1, kMany, any},
      {"selection.threshold", &selection_threshold, "Least |score| of kind threshold.", 0, kMany, any},
      {"selection.budget", &selection_budget, "Largest trainable share of kind param-budget.", 0, 1, any},
      {"selection.signed", &selection_signed, "Rank by the score itself and take positive ones only.", 0, -1, any},
      {"tuning.method", &tuning_method, "circuit, or the baseline that trains every parameter.", 0, -1,
       {"circuit", "full"}},
      {"tuning.steps", &tuning_steps, "Updates.", 1, kMany, any},
      {"tuning.batch", &tuning_batch, "Records in a micro-batch.", 1, 1e6, any},
      {"tuning.accumulation", &tuning_accumulation, "Micro-batches per update.", 1, 1e6, any},
      {"tuning.seed", &tuning_seed, "Seed of the data order and of random selection.", 0, kMany, any},
      {"tuning.shared_biases", &tuning_shared_biases,
       "Train a layer's output bias when one of its heads (its MLP) is upstream.", 0, -1, any},
      {"tuning.train_norms", &tuning_train_norms,
       "Train a norm when one of its readers is selected, or for a norm of outputs a writer.", 0, -1, any},
      {"tuning.train_embeddings", &tuning_train_embeddings, "Train embeddings when input is selected.", 0, -1, any},
      {"tuning.train_unembedding", &tuning_train_unembedding,
       "Train the head when logits is selected; a tied matrix needs train_embeddings too.", 0, -1, any},
      {"tuning.state_on_return", &tuning_state_on_return, "Optimiser state of a slice that left and returns.", 0, -1,
       {"keep", "reset"}},
      {"tuning.readout_weight", &tuning_readout_weight, "Factor of the loss at readout tokens.", 0, 1e6, any},
      {"tuning.readout_only", &tuning_readout_only, "The loss counts readout tokens only.", 0, -1, any},
      {"optimizer.kind", &optimizer_kind, "Optimiser.", 0, -1, choices_of(optimizers())},
      {"optimizer.lr", &optimizer_lr, "Learning rate.", 0, 1e3, any},
      {"optimizer.momentum", &optimizer_momentum, "SGD's momentum.", 0, 1, any},
      {"optimizer.beta1", &optimizer_beta1, "AdamW's first decay.", 0, 1, any},
      {"optimizer.beta2", &optimizer_beta2, "AdamW's second decay.", 0, 1, any},
      {"optimizer.epsilon", &optimizer_epsilon, "AdamW's epsilon.", 0, 1, any},
      {"optimizer.weight_decay", &optimizer_weight_decay, "Weight decay, of the trained slices only.", 0, 1e3, any},
      {"optimizer.decay_biases", &optimizer_decay_biases, "Whether decay reaches biases.", 0, -1, any},
      {"optimizer.warmup", &optimizer_warmup, "Steps of linear warm-up.", 0, kMany, any},
      {"optimizer.clip", &optimizer_clip, "Largest global gradient norm; 0: no clipping.", 0, kMany, any},
      {"optimizer.schedule", &optimizer_schedule, "Learning rate after warm-up.", 0, -1, {"constant", "linear", "cosine"}},
      {"evaluation.every", &evaluation_every, "Steps between evaluations and checkpoints.", 1, kMany, any},
      {"evaluation.keep", &evaluation_keep, "Checkpoints kept: best (and the last, to go on from) or all.", 0, -1,
       {"best", "all"}},
      {"evaluation.patience", &evaluation_patience, "Evaluations without a better dev metric that end the run; 0: never.",
       0, kMany, any},
      {"evaluation.batch", &evaluation_batch, "Sequences in one forward of an evaluation.", 1, 1e6, any},
      {"evaluation.window", &evaluation_window, "Tokens in a window of untouched text; 0: the model's positions.", 0,
       kMany, any},
      {"run.path", &run_path, "Folder of the run; must not exist yet.", 0, -1, any},
  };
}

void check_required(const TuneConfig& config, const std::string& place) {
  if (config.model_path.empty()) fail(place, "model.path is missing.");
  if (config.data_train.empty()) fail(place, "data.train is missing.");
  if (config.run_path.empty()) fail(place, "run.path is missing.");
  if (config.evaluation_patience > 0 && config.data_dev.empty()) {
    fail(place, "evaluation.patience needs data.dev, whose metric it watches.");
  }
}

TunerSpec tuner_spec(const TuneConfig& c) {
  TunerSpec spec;
  spec.discovers = c.tuning_method == "circuit";
  spec.scorer = find_scorer(c.discovery_method);
  spec.score.metric = find_metric(c.discovery_metric);
  spec.score.ablation = parse_ablation(c.discovery_ablation);
  spec.score.ig_steps = c.discovery_ig_steps;
  spec.score.seed = static_cast<uint64_t>(c.tuning_seed);
  spec.score.positions = parse_positions(c.discovery_positions);
  spec.selector = find_selector(c.selection_kind);
  spec.selection.n = c.selection_n;
  spec.selection.threshold = c.selection_threshold;
  spec.selection.budget = c.selection_budget;
  spec.selection.signed_scores = c.selection_signed;
  spec.selection.policy = {c.tuning_shared_biases, c.tuning_train_norms, c.tuning_train_embeddings,
                           c.tuning_train_unembedding};
  spec.every = c.discovery_every;
  spec.discovery_batches = c.discovery_batches;
  spec.steps = c.tuning_steps;
  spec.batch = c.tuning_batch;
  spec.accumulation = c.tuning_accumulation;
  spec.seed = static_cast<uint64_t>(c.tuning_seed);
  spec.optimizer = {c.optimizer_kind,    c.optimizer_momentum,     c.optimizer_beta1,       c.optimizer_beta2,
                    c.optimizer_epsilon, c.optimizer_weight_decay, c.optimizer_decay_biases};
  spec.schedule.kind = parse_schedule(c.optimizer_schedule);
  spec.schedule.lr = c.optimizer_lr;
  spec.schedule.warmup = c.optimizer_warmup;
  spec.schedule.steps = c.tuning_steps;
  spec.clip = c.optimizer_clip;
  spec.on_return =
      c.tuning_state_on_return == "keep" ? SliceStore::OnReturn::kKeep : SliceStore::OnReturn::kReset;
  spec.readout_weight = c.tuning_readout_weight;
  spec.readout_only = c.tuning_readout_only;
  return spec;
}

bool is_free_on_resume(const std::string& key) { return key == "evaluation.keep"; }

}  // namespace circuit
