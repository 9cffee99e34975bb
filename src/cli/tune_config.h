// Everything a run is made of. Defaults live here; --help-config, config.toml and --set come from fields().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config.h"

namespace circuit {

struct TuneConfig {
  std::string model_path;
  std::string model_init = "pretrained";
  std::string data_train, data_dev, data_test, data_untouched;
  std::string data_bos = "auto";
  int64_t data_max_length = 0;
  int64_t data_window = 0;
  std::string data_replay;
  double data_replay_share = 0.25;
  std::string discovery_method = "eap";
  std::string discovery_metric = "logit_diff";
  std::string discovery_ablation = "mean";
  int64_t discovery_ig_steps = 5;
  std::string discovery_positions = "all";
  int64_t discovery_every = 1;
  int64_t discovery_batches = 0;
  bool discovery_ungrouped = false;
  int64_t discovery_mlp_block = 0;
  double discovery_smoothing = 0;
  std::string selection_kind = "top-edges";
  int64_t selection_n = 1000;
  double selection_threshold = 0;
  double selection_budget = 1;
  bool selection_signed = false;
  std::string selection_schedule = "constant";
  int64_t selection_n_final = 0;
  int64_t selection_leave_rank = 0;
  double selection_extra_random = 0;
  std::vector<std::string> selection_always, selection_never;
  double selection_faithfulness = 0.9;
  int64_t selection_faithfulness_records = 64;
  std::string tuning_method = "circuit";
  int64_t tuning_steps = 1000;
  int64_t tuning_batch = 16;
  int64_t tuning_accumulation = 1;
  int64_t tuning_seed = 0;
  bool tuning_shared_biases = true;
  bool tuning_train_norms = false;
  bool tuning_train_embeddings = false;
  bool tuning_train_unembedding = false;
  std::string tuning_state_on_return = "keep";
  double tuning_readout_weight = 1;
  bool tuning_readout_only = false;
  double tuning_regulariser = 0;
  bool tuning_match_parameters = false;
  double tuning_max_loss = 0;
  bool tuning_recompute = false;
  int64_t lora_rank = 8;
  double lora_alpha = 16;
  std::vector<std::string> lora_targets{"all-linear"};
  bool lora_circuit = false;
  std::string optimizer_kind = "adamw";
  double optimizer_lr = 1e-4;
  double optimizer_momentum = 0.9;
  double optimizer_beta1 = 0.9;
  double optimizer_beta2 = 0.999;
  double optimizer_epsilon = 1e-8;
  double optimizer_weight_decay = 0;
  bool optimizer_decay_biases = true;
  int64_t optimizer_warmup = 0;
  double optimizer_clip = 1;
  std::string optimizer_schedule = "constant";
  double optimizer_final_share = 0;
  std::vector<std::string> optimizer_rates;
  int64_t evaluation_every = 100;
  std::string evaluation_keep = "best";
  int64_t evaluation_patience = 0;
  int64_t evaluation_batch = 32;
  int64_t evaluation_window = 0;
  std::vector<std::string> evaluation_files;
  int64_t evaluation_max_tokens = 256;
  int64_t evaluation_circuit_records = 0;
  std::string run_path;
  std::string run_keep_scores = "all";
  int64_t run_keep_every = 10;
  std::vector<std::string> run_loggers;

  std::vector<ConfigField> fields();
};

// Throws Error naming the key that is missing, or two that exclude each other.
void check_config(const TuneConfig& config, const std::string& place);

// What evaluations of a file of evaluation.files are called after: "data/blimp.jsonl" → "blimp".
std::string ability_name(const std::string& file);

// Keys that a resumed run may change: they do not change its result.
bool is_free_on_resume(const std::string& key);

}  // namespace circuit
