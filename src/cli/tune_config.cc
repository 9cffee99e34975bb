#include "cli/tune_config.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/error.h"
#include "io/files.h"
#include "scoring/scorer.h"
#include "selection/selector.h"
#include "store/logger.h"
#include "store/score_retention.h"
#include "tuning/optimizer.h"

namespace circuit {
namespace {

// The choices of a key are the list its stage registers.
template <class List>
std::vector<std::string> choices_of(const List& list) {
  std::vector<std::string> names;
  for (const auto& item : list) names.push_back(item.name);
  return names;
}

// The selectors, and the one that is a loop over selection and evaluation (cli/tune_model.cc).
std::vector<std::string> kinds() {
  std::vector<std::string> names = choices_of(selectors());
  names.push_back("faithfulness");
  return names;
}

}  // namespace

std::vector<ConfigField> TuneConfig::fields() {
  constexpr double kMany = 1e12;
  const std::vector<std::string> any;
  constexpr ConfigField::Ends above = ConfigField::Ends::kLowExcluded;
  constexpr ConfigField::Ends below = ConfigField::Ends::kHighExcluded;
  return {
      {"model.path", &model_path, "Hugging Face model directory to start from.", 0, -1, any},
      {"model.init",
       &model_init,
       "pretrained: the weights of model.path; random: new ones for its config.json and tokenizer, from tuning.seed.",
       0,
       -1,
       {"pretrained", "random"}},
      {"data.train", &data_train, "Training records, JSON Lines; or plain text, which is cut into windows.", 0, -1,
       any},
      {"data.dev", &data_dev, "Records that choose the best step; empty: the last step is kept.", 0, -1, any},
      {"data.test", &data_test, "Records evaluated before and after only; may be empty.", 0, -1, any},
      {"data.untouched", &data_untouched, "Plain text whose perplexity shows the cost; may be empty.", 0, -1, any},
      {"data.bos", &data_bos, "Begin token before every text.", 0, -1, {"auto", "always", "never"}},
      {"data.max_length", &data_max_length, "Tokens kept of a text; 0: all.", 0, kMany, any},
      {"data.window", &data_window, "Tokens of a window of text to train on; 0: the model's positions.", 0, kMany, any},
      {"data.replay", &data_replay, "Plain text trained on beside the task, against forgetting; may be empty.", 0, -1,
       any},
      {"data.replay_share", &data_replay_share, "Its tokens per update, as a share of the task's target tokens.", 0,
       100, any},
      {"discovery.method", &discovery_method, "Edge scores.", 0, -1, choices_of(scorers())},
      {"discovery.metric", &discovery_metric, "Metric whose gradient scores the edges.", 0, -1, choices_of(metrics())},
      {"discovery.ablation", &discovery_ablation, "What replaces an ablated output.", 0, -1, choices_of(ablations())},
      {"discovery.ig_steps", &discovery_ig_steps, "Gradients of the eap-ig methods.", 1, 1e6, any},
      {"discovery.positions", &discovery_positions, "Positions a score sums over.", 0, -1, {"all", "readout"}},
      {"discovery.every", &discovery_every, "K: steps between discoveries.", 1, kMany, any},
      {"discovery.batches", &discovery_batches, "Batches drawn for a discovery; 0: the step's own.", 0, kMany, any},
      {"discovery.ungrouped", &discovery_ungrouped, "Key and value readers per query head.", 0, -1, any},
      {"discovery.mlp_block", &discovery_mlp_block, "Channels of an MLP node; 0: an MLP is one node.", 0, kMany, any},
      {"discovery.smoothing", &discovery_smoothing,
       "a: circuits come from S' = a S' + (1 - a) S over the discoveries; 0: from the last scores alone.", 0, 0.9999,
       any},
      {"selection.kind", &selection_kind, "How edges become a circuit.", 0, -1, kinds()},
      {"selection.n", &selection_n, "N: edges of the circuit; nodes of kind top-nodes.", 1, kMany, any},
      {"selection.threshold", &selection_threshold, "Least |score| of kind threshold.", 0, kMany, any},
      {"selection.budget", &selection_budget, "Largest trainable share of kind param-budget.", 0, 1, any},
      {"selection.signed", &selection_signed, "Rank by the score itself and take positive ones only.", 0, -1, any},
      {"selection.schedule",
       &selection_schedule,
       "How N goes from selection.n to selection.n_final over the run.",
       0,
       -1,
       {"constant", "linear", "geometric"}},
      {"selection.n_final", &selection_n_final, "N at the last step, unless the schedule is constant.", 0, kMany, any},
      {"selection.leave_rank", &selection_leave_rank,
       "Edges of the last circuit stay while they rank among so many, against flicker; 0: off.", 0, kMany, any},
      {"selection.extra_random", &selection_extra_random,
       "r: share of the nodes outside the circuit that are trained too, drawn at every discovery.", 0, 1, any},
      {"selection.always", &selection_always,
       "Nodes trained in any case, as in ['m3', 'a0.h*']; * stands for any characters.", 0, -1, any},
      {"selection.never", &selection_never, "Nodes never trained, nor their edges selected.", 0, -1, any},
      {"selection.faithfulness", &selection_faithfulness,
       "What the circuit of kind faithfulness reaches on dev records.", 0, 1, any},
      {"selection.faithfulness_records", &selection_faithfulness_records, "Dev records that it is judged on.", 2, kMany,
       any},
      {"tuning.method",
       &tuning_method,
       "circuit; or a baseline: every parameter (full), adapters (lora), the first circuit throughout (fixed), a "
       "random one "
       "of its size (random), everything but the circuit (complement).",
       0,
       -1,
       {"circuit", "full", "lora", "random", "fixed", "complement"}},
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
      {"tuning.state_on_return",
       &tuning_state_on_return,
       "Optimiser state of a slice that left and returns.",
       0,
       -1,
       {"keep", "reset"}},
      {"tuning.readout_weight", &tuning_readout_weight, "Factor of the loss at readout tokens.", 0, 1e6, any},
      {"tuning.readout_only", &tuning_readout_only, "The loss counts readout tokens only.", 0, -1, any},
      {"tuning.regulariser", &tuning_regulariser,
       "b: adds b times the mean |logit difference| at readouts to the loss.", 0, 1e6, any},
      {"tuning.match_parameters", &tuning_match_parameters,
       "lora: take the rank whose parameters come nearest to those of the first circuit. Other methods as they are: "
       "random "
       "has its size anyway.",
       0, -1, any},
      {"tuning.max_loss", &tuning_max_loss, "Nats per token above which the run stops; 0: no bound.", 0, 1e6, any},
      {"tuning.recompute", &tuning_recompute, "Make activations again in the backward: less memory, more time.", 0, -1,
       any},
      {"lora.rank", &lora_rank, "Rank of the adapters.", 1, 1e6, any},
      {"lora.alpha", &lora_alpha, "Adapters count alpha / rank times; above 0.", 0, 1e6, any, above},
      {"lora.targets", &lora_targets,
       "Linear layers by the last part of their name, as PEFT's target_modules; or all-linear.", 0, -1, any},
      {"lora.circuit", &lora_circuit, "Adapt only what the first circuit's heads and MLPs own.", 0, -1, any},
      {"optimizer.kind", &optimizer_kind, "Optimiser.", 0, -1, choices_of(optimizers())},
      {"optimizer.lr", &optimizer_lr, "Learning rate.", 0, 1e3, any},
      {"optimizer.momentum", &optimizer_momentum, "SGD's momentum.", 0, 1, any},
      {"optimizer.beta1", &optimizer_beta1, "AdamW's first decay, below 1.", 0, 1, any, below},
      {"optimizer.beta2", &optimizer_beta2, "AdamW's second decay, below 1.", 0, 1, any, below},
      {"optimizer.epsilon", &optimizer_epsilon, "AdamW's epsilon, above 0: a gradient of 0 would be divided by it.", 0,
       1, any, above},
      {"optimizer.weight_decay", &optimizer_weight_decay, "Weight decay, of the trained slices only.", 0, 1e3, any},
      {"optimizer.decay_biases", &optimizer_decay_biases, "Whether decay reaches biases.", 0, -1, any},
      {"optimizer.warmup", &optimizer_warmup, "Steps of linear warm-up.", 0, kMany, any},
      {"optimizer.clip", &optimizer_clip, "Largest global gradient norm; 0: no clipping.", 0, kMany, any},
      {"optimizer.schedule",
       &optimizer_schedule,
       "Learning rate after warm-up.",
       0,
       -1,
       {"constant", "linear", "cosine"}},
      {"optimizer.final_share", &optimizer_final_share, "Share of lr that linear and cosine end at.", 0, 1, any},
      {"optimizer.rates", &optimizer_rates,
       "Factors of lr by node, as in ['m*=0.5', 'a0.h1<q>=2']; the last that matches counts.", 0, -1, any},
      {"evaluation.every", &evaluation_every, "Steps between evaluations and checkpoints.", 1, kMany, any},
      {"evaluation.keep",
       &evaluation_keep,
       "Checkpoints kept: best (and the last, to go on from) or all.",
       0,
       -1,
       {"best", "all"}},
      {"evaluation.patience", &evaluation_patience,
       "Evaluations without a better dev metric that end the run; 0: never.", 0, kMany, any},
      {"evaluation.batch", &evaluation_batch, "Sequences in one forward of an evaluation.", 1, 1e6, any},
      {"evaluation.window", &evaluation_window, "Tokens in a window of untouched text; 0: the model's positions.", 0,
       kMany, any},
      {"evaluation.files", &evaluation_files,
       "Files scored before and after, as circuit score does; a list, or one text with commas.", 0, -1, any},
      {"evaluation.max_tokens", &evaluation_max_tokens, "Tokens generated for a record of those files.", 1, 1e6, any},
      {"evaluation.circuit_records", &evaluation_circuit_records,
       "Dev records on which each evaluation measures the circuit's faithfulness and completeness gap, with methods "
       "that "
       "find circuits; 0: not.",
       0, kMany, any},
      {"run.path", &run_path, "Folder of the run; must not exist yet.", 0, -1, any},
      {"run.keep_scores", &run_keep_scores,
       "Discoveries whose scores of all edges stay in run.db: all (1.6 GB after 9,000 of GPT-2 small, circuits and "
       "norms "
       "included), every (those of run.keep_every and the last before an evaluation: 0.5 GB) or last (0.4 GB). "
       "Circuits and "
       "their scores stay in any case.",
       0, -1, score_retentions()},
      {"run.keep_every", &run_keep_every, "N: run.keep_scores every keeps each N-th discovery.", 1, kMany, any},
      {"run.loggers", &run_loggers, "What rows go to beside run.db: RUN/tensorboard, RUN/log.jsonl.", 0, -1,
       choices_of(loggers())},
  };
}

std::string ability_name(const std::string& file) { return std::filesystem::path(file).stem().string(); }

void check_config(const TuneConfig& c, const std::string& place) {
  if (c.model_path.empty()) fail(place, "model.path is missing.");
  if (c.data_train.empty()) fail(place, "data.train is missing.");
  if (c.run_path.empty()) fail(place, "run.path is missing.");
  std::set<std::string> names;
  for (const std::string& file : c.evaluation_files) {
    const std::string name = ability_name(file);
    if (!names.insert(name).second) fail(place, "evaluation.files: two are called '{}'. Rename one.", name);
    if (!file_exists(file)) fail(file, "evaluation.files: there is no such file.");
  }
  if (c.evaluation_patience > 0 && c.data_dev.empty()) {
    fail(place, "evaluation.patience needs data.dev, whose metric it watches.");
  }
  if (c.selection_schedule != "constant" && c.selection_n_final < 1) {
    fail(place, "selection.schedule {} needs selection.n_final, N at the last step.", c.selection_schedule);
  }
  const int64_t most = std::max(c.selection_n, c.selection_schedule == "constant" ? 0 : c.selection_n_final);
  if (c.selection_leave_rank > 0 && c.selection_leave_rank < most) {
    fail(place,
         "selection.leave_rank: found {}, expected at least the {} edges of the circuit, or 0: of a lower rank edges "
         "would "
         "leave that have just been selected.",
         c.selection_leave_rank, most);
  }
  if (c.tuning_readout_only && c.tuning_readout_weight == 0) {
    fail(place, "tuning.readout_only with tuning.readout_weight = 0 leaves nothing to learn from.");
  }
  if (std::set<std::string>(c.run_loggers.begin(), c.run_loggers.end()).size() < c.run_loggers.size()) {
    fail(place, "run.loggers: one stands there twice.");
  }
  if (c.tuning_method == "random" && c.selection_kind != "top-edges") {
    fail(place, "tuning.method random takes the size of top-edges N; selection.kind {} has none.", c.selection_kind);
  }
}

bool is_free_on_resume(const std::string& key) { return key == "evaluation.keep"; }

}  // namespace circuit
