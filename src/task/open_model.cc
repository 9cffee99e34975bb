#include "task/open_model.h"

#include "core/log.h"

namespace circuit {

OpenModel::OpenModel(const std::string& directory, const ComputeSpec& compute)
    : checkpoint(Checkpoint::open(directory)),
      model(Model::load(checkpoint, load_options(compute))),
      tokenizer(directory) {
  for (const std::string& note : model.architecture().notes) log_info("{}: {}.", directory, note);
}

}  // namespace circuit
