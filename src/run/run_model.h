// What a run works with: its model and its data, read and held against the configuration.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/slices.h"
#include "run/reference.h"
#include "run/run_config.h"
#include "task/open_model.h"

namespace circuit {

struct TuneModel {
  TuneModel(const RunConfig& config, const ComputeSpec& compute);
  // weights: of a model in memory, by checkpoint name, which stands for the base's and is trained in its place.
  TuneModel(const RunConfig& config, const ComputeSpec& compute, const std::map<std::string, at::Tensor>& weights);
  OpenModel open;
  Graph graph;
  SliceTable table;
  // Which slices are trained; null: the circuit's.
  std::shared_ptr<const SliceChoice> choice;
  // selection.extra_outside: the nodes of that run's last circuit.
  std::optional<CircuitNodes> outside;
  int64_t program;  // bytes that the process held beside the weights when they had been read
  // As its method sees it.
  MethodInput input(const RunConfig& config) {
    return {open.model, graph, table, config.tuning, config.optimizer, choice.get()};
  }

 private:
  TuneModel(const RunConfig& config, OpenModel opened);
};

struct TuneData {
  // Throws Error naming the record that the run would end at.
  TuneData(const RunConfig& config, const OpenModel& open);
  Dataset train;
  std::optional<Dataset> dev, test;
  std::vector<Example> replay;                   // windows of general text
  std::vector<std::vector<bool>> replay_masked;  // of each, tokens of the words that the task's readouts answer
  EncodedText untouched;                         // no ids: none
  std::unique_ptr<Reference> reference;          // null: nothing reads the base
};

// A file as a run of this configuration reads its records.
Dataset read_run_records(const std::string& path, const RunConfig& config, const OpenModel& open);

int64_t longest_record(const Dataset& data);               // tokens
int64_t longest_of(const std::vector<Example>& examples);  // tokens

// Whether the base is read beside the model that is tuned.
bool reads_base(const RunConfig& config);

// Whether a circuit is found at any time.
bool scores_edges(const RunConfig& config);

}  // namespace circuit
