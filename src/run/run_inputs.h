// What a run rests on besides its own folder: its configuration as it began, the base model and the data. A run goes
// on, and is exported, only with what it began with.
#pragma once

#include <map>
#include <string>

#include "model/checkpoint.h"
#include "run/run_config.h"

namespace circuit {

// config.toml of a run. Throws Error naming the first key that is not what run.db says the run began with (and the
// values): run.db keeps the configuration, and all of its rows and checkpoints are of that one.
RunConfig read_run_config(const std::string& run);

// SHA-256 of what the run reads, as JSON objects for run.db's meta: of every tensor of the model and of the files
// beside them that change what it computes (config.json, tokenizer files); of the data files by key.
std::string base_sums(const Checkpoint& base);
std::string data_sums(const RunConfig& config);

// Throw Error naming the tensor or file that is not the one the run began with. Runs of version 0.1 kept no sums: then
// only the tensors of a checkpoint are held against the base, by load_checkpoint.
void check_base(const std::string& run, const Checkpoint& base);
void check_data(const std::string& run, const RunConfig& config);

}  // namespace circuit
