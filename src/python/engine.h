// A model as Python holds it: opened once, worked on by one task at a time.
#pragma once

#include <torch/custom_class.h>

#include <atomic>
#include <memory>
#include <string>

#include "python/task.h"
#include "run/execute.h"
#include "task/open_model.h"

namespace circuit::python {

class Engine : public torch::CustomClassHolder {
 public:
  using Tensors = c10::Dict<std::string, at::Tensor>;
  using TaskPointer = c10::intrusive_ptr<Task>;

  // folder: a model directory or GGUF file; or where there are weights, by checkpoint name, the directory of their
  // config.json and tokenizer. compute: {"threads", "device", "dtype"}. Throws what OpenModel throws.
  Engine(const std::string& folder, const Tensors& weights, const std::string& compute);

  // {"family", "parameters", …, "upstream", "downstream": names, "edges"} of the graph of these settings (TOML:
  // ungrouped, mlp_block).
  std::string describe(const std::string& settings) const;

  // Each begins a task; settings: TOML, as declared in requests.h; the rest are files. Throws Error where another task
  // is at work on this model.
  TaskPointer discover(const std::string& settings, const std::string& data, const std::string& ablation_data,
                       const std::string& held_out, int64_t threads);
  TaskPointer evaluate(const std::string& settings, const std::string& circuit, const std::string& data,
                       const std::string& ablation_data, const std::string& against, int64_t threads);
  // A run from settings of a whole configuration; of a model with weights, model.path is a copy of it in a folder.
  // resume: go on with the run at run.path.
  TaskPointer tune(const std::string& settings, bool resume, int64_t threads);

  // The ids of the edges that a selection of these scores (float32 [edges]) takes, ascending.
  std::vector<int64_t> select(const std::string& settings, const at::Tensor& scores) const;
  // A circuit file of edges (ids) with their scores; meta: a JSON object of texts.
  void write_circuit(const std::string& path, const std::string& settings, const at::Tensor& scores,
                     const std::vector<int64_t>& edges, const std::string& meta) const;
  // Scores of a circuit file on the graph of these settings, and the edges that are in: {"edges", "meta"}, {"scores"}.
  std::tuple<std::string, at::Tensor> read_circuit(const std::string& path, const std::string& settings) const;
  // An SVG drawing of a circuit.
  std::string draw(const std::string& settings, const at::Tensor& scores, const std::vector<int64_t>& edges) const;

  // [{"node", "tensor", "dim", "start", "length"}]: what training the circuit of this file updates, by checkpoint
  // names. settings: train_norms and so on, as [tuning] declares them.
  std::string slices(const std::string& settings, const std::string& circuit) const;

 private:
  Graph graph_of(const std::string& settings) const;
  TaskPointer start(Task::Work work, Stopping stopping, int64_t threads);
  ComputeSpec compute_;
  std::map<std::string, at::Tensor> weights_;
  std::shared_ptr<const OpenModel> open_;
  std::shared_ptr<std::atomic<bool>> busy_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace circuit::python
