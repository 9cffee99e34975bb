// What every subcommand shares: the common flags, the model, tables and numbers for people.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "model/model.h"
#include "scoring/memory.h"
#include "task/records.h"

namespace CLI {
class App;
}

namespace circuit {

struct CommonOptions {
  int threads = 0;  // 0: physical cores
  uint64_t seed = 0;
  std::string device = "cpu";
  std::string dtype = "f32";
  std::string memory;  // limit of the plan; empty: the machine's
  bool quiet = false;
  bool json = false;
};

// A subcommand: adds itself to the program and returns what to run when it was chosen.
using Action = std::function<int()>;
using AddCommand = void (*)(CLI::App& program, Action* chosen);

void add_inspect(CLI::App& program, Action* chosen);
void add_tokenize(CLI::App& program, Action* chosen);
void add_import(CLI::App& program, Action* chosen);
void add_generate(CLI::App& program, Action* chosen);
void add_score(CLI::App& program, Action* chosen);
void add_discover(CLI::App& program, Action* chosen);
void add_evaluate(CLI::App& program, Action* chosen);
void add_tune(CLI::App& program, Action* chosen);
void add_sweep(CLI::App& program, Action* chosen);
void add_export(CLI::App& program, Action* chosen);
void add_apply(CLI::App& program, Action* chosen);
void add_revert(CLI::App& program, Action* chosen);
void add_diff(CLI::App& program, Action* chosen);
void add_analyse(CLI::App& program, Action* chosen);
void add_query(CLI::App& program, Action* chosen);
void add_watch(CLI::App& program, Action* chosen);
void add_report(CLI::App& program, Action* chosen);

// Adds --threads, --seed, --device, --dtype, --memory, --quiet, --json to a subcommand.
void add_common(CLI::App& command, CommonOptions* options);
// Sets threads and logging, and says in one line when the BLAS in use is a slow one. Throws Error for a
// device that is not there.
void apply_common(const CommonOptions& options);

// The same with float32, whatever --dtype says, which is then answered by a warning: for commands whose results are
// values of float32 checkpoints.
CommonOptions in_float32(CommonOptions options);

LoadOptions load_options(const CommonOptions& options);
int64_t memory_limit(const CommonOptions& options);  // bytes

// A model directory opened for the computation.
struct OpenModel {
  OpenModel(const std::string& directory, const CommonOptions& options);
  Checkpoint checkpoint;
  Model model;
  LazyTokenizer tokenizer;
};

// Records as discover and evaluate read them.
struct RecordOptions {
  std::string bos = "auto";
  int64_t max_length = 0;  // tokens kept of a text; 0: all
};

// The records of a score and, where a file is given, those whose mean the mean ablations take. Points the
// specification at the latter; throws Error naming the record that lacks what its metric reads.
struct ScoredRecords {
  ScoredRecords(const std::string& path, const std::string& ablation_path, const OpenModel& open,
                const RecordOptions& options, ScoreSpec* spec);
  ScoredRecords(const ScoredRecords&) = delete;
  ScoredRecords& operator=(const ScoredRecords&) = delete;
  Dataset data, reference_data;
  std::vector<const Example*> examples, reference;
};

// Tokens of the longest example.
int64_t longest_of(const std::vector<const Example*>& examples);

// Examples per forward of what is planned: `wanted`, or fewer where the memory is short. Says the plan and the
// batch on stderr. Throws Error when not even one fits.
int64_t batch_in_memory(const ScorePlan& plan, int64_t wanted, const CommonOptions& options);

// 124439808 → "124,439,808"
std::string with_commas(int64_t value);

}  // namespace circuit
