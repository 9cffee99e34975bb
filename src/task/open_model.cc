#include "task/open_model.h"

#include "core/log.h"

namespace circuit {

OpenModel::OpenModel(const std::string& directory, const ComputeSpec& compute)
    : checkpoint(Checkpoint::open(directory)),
      model(Model::load(checkpoint, load_options(compute))),
      tokenizer(directory) {
  for (const std::string& note : model.architecture().notes) log_info("{}: {}.", directory, note);
}

OpenModel::OpenModel(Checkpoint base, const Checkpoint& weights, const ComputeSpec& compute)
    : checkpoint(std::move(base)),
      model(Model::load(weights, load_options(compute))),
      tokenizer(checkpoint.directory()) {
  for (const std::string& note : model.architecture().notes) log_info("{}: {}.", checkpoint.directory(), note);
}

}  // namespace circuit
