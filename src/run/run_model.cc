#include "run/run_model.h"

#include <algorithm>

#include "core/error.h"
#include "core/log.h"
#include "core/table.h"
#include "evaluation/ability.h"
#include "model/live_tensors.h"
#include "store/recorded_circuit.h"
#include "store/run_reader.h"
#include "task/text_windows.h"
#include "task/word_mask.h"

namespace circuit {
namespace {

void log_dataset(const std::string& path, const Dataset& data) {
  log_info("{}: {} records{}", path, data.examples.size(),
           data.truncated > 0 ? fmt::format(", {} shortened, {} readouts and {} records dropped", data.truncated,
                                            data.dropped_readouts, data.dropped_records)
                              : "");
}

// What the loss would read nothing of, which would cost a step its batch, or give it a loss of 0.
void check_targets(const RunConfig& config, const Example& e) {
  const auto length = static_cast<int64_t>(e.ids.size());
  const int64_t first = std::max<int64_t>(1, e.first_target);
  if (first >= length)
    fail(e.place, "the record has no target token: nothing predicts its first, and it has no other.");
  if (!config.tuning.readout_only) return;
  for (const Readout& r : e.readouts) {
    if (r.position >= first && r.position < length) return;
  }
  fail(e.place,
       "tuning.readout_only: no readout of the record is a token of its text, so that nothing of it is learned.");
}

// Every training record, before anything is written: a run must not die of its last one at step 1000.
void check_training_records(const RunConfig& config, const Dataset& train, const Architecture& architecture) {
  const bool scores = scores_edges(config);
  const Ablation* ablation = config.discovery.score.ablation;
  const bool corrupts = scores && find_scorer(config.discovery.score.method).needs_pairs;
  std::vector<const Example*> examples;
  const Metric& metric = find_metric(config.discovery.score.metric);
  for (const Example& e : train.examples) {
    check_example(e, architecture, Side::kClean);
    check_targets(config, e);
    if (corrupts) check_example(e, architecture, Side::kCounterfactual);
    if (scores) check_metric(metric, e);
    if (config.tuning.regulariser > 0) check_metric(logit_diff_metric(), e);
    examples.push_back(&e);
  }
  if (scores) ablation->check(examples, architecture);
}

// A text becomes windows, everything else is records.
Dataset read_examples(const std::string& path, const RunConfig& config, const OpenModel& open) {
  if (file_kind(path) != FileKind::kText) return read_dataset(path, open.tokenizer, config.data.read_spec());
  Dataset data;
  data.examples =
      read_text_windows(path, open.tokenizer, open.model.architecture(), config.data.window, config.data.bos);
  return data;
}

// Of the last circuit of a run that is over and of the same graph.
std::optional<CircuitNodes> nodes_of_run(const std::string& run, const Architecture& architecture, const Graph& own) {
  if (run.empty()) return {};
  if (recorded_meta(run, "status") != "finished")
    fail("selection.extra_outside", "{} is not finished: its last circuit is not known yet.", run);
  const CircuitFile file = read_recorded_circuit(run, std::nullopt).file;
  const Graph graph = file.shape.graph_of(architecture, run);
  if (graph.n_edges() != own.n_edges()) {
    fail("selection.extra_outside",
         "the graph of {} has {} edges, this run's {}. Give both the same discovery.ungrouped and discovery.mlp_block.",
         run, with_commas(graph.n_edges()), with_commas(own.n_edges()));
  }
  return nodes_of(graph, file.circuit);
}

}  // namespace

TuneModel::TuneModel(const RunConfig& config, const ComputeSpec& compute)
    : TuneModel(config, OpenModel(config.model.path, compute)) {}

TuneModel::TuneModel(const RunConfig& config, const ComputeSpec& compute,
                     const std::map<std::string, at::Tensor>& weights)
    : TuneModel(config, weights.empty() ? OpenModel(config.model.path, compute)
                                        : OpenModel(Checkpoint::open(config.model.path),
                                                    live_checkpoint(config.model.path, weights), compute)) {}

TuneModel::TuneModel(const RunConfig& config, OpenModel opened)
    : open(std::move(opened)),
      graph(config.discovery.graph.graph(open.model.architecture())),
      table(graph, open.model),
      choice(config.policy.slices == "circuit"
                 ? nullptr
                 : find_slice_choice(config.policy.slices).make(open.model, open.checkpoint, table, config.policy.own)),
      outside(nodes_of_run(config.policy.extra_outside, open.model.architecture(), graph)),
      program(
          resident_beside(open.model.parameter_count() * static_cast<int64_t>(open.model.embedding().element_size()))) {
}

Dataset read_run_records(const std::string& path, const RunConfig& config, const OpenModel& open) {
  return read_examples(path, config, open);
}

TuneData::TuneData(const RunConfig& config, const OpenModel& open) {
  const DataSettings& files = config.data;
  train = read_examples(files.train, config, open);
  log_dataset(files.train, train);
  check_training_records(config, train, open.model.architecture());
  if (!files.dev.empty()) dev = read_examples(files.dev, config, open);
  if (!files.test.empty()) test = read_examples(files.test, config, open);
  if (dev) log_dataset(files.dev, *dev);
  if (test) log_dataset(files.test, *test);
  if (!files.replay.empty()) {
    replay = read_text_windows(files.replay, open.tokenizer, open.model.architecture(), files.window, files.bos);
    log_info("{}: {} windows of text to replay", files.replay, replay.size());
    if (config.tuning.anchor_replay > 0) {
      const std::set<std::string> words = readout_words(open.tokenizer.get(), train.examples);
      for (const Example& e : replay) replay_masked.push_back(tokens_of_words(open.tokenizer.get(), e.ids, words));
    }
  }
  if (!files.untouched.empty()) untouched = read_text(files.untouched, open.tokenizer, files.bos);
  AbilitySpec abilities;
  abilities.begin_token = files.bos;
  abilities.leave_out = config.evaluation.leave_out;
  check_left_out(config.evaluation.files, open.tokenizer, abilities);
  if (reads_base(config)) reference = std::make_unique<Reference>(config, open, train);
}

int64_t longest_of(const std::vector<Example>& examples) {
  size_t longest = 1;
  for (const Example& e : examples) longest = std::max(longest, e.ids.size());
  return static_cast<int64_t>(longest);
}

int64_t longest_record(const Dataset& data) { return longest_of(data.examples); }

bool reads_base(const RunConfig& config) {
  return config.evaluation.kl || config.tuning.anchor > 0 || config.tuning.anchor_replay > 0;
}

bool scores_edges(const RunConfig& config) {
  return config.method().finds_circuits() || config.method().needs_first_circuit(config.tuning);
}

}  // namespace circuit
