#include "model/model_source.h"

namespace circuit {

void ModelSource::declare(Settings* settings) {
  settings->section("model");
  settings->add("path", &path, "Hugging Face model directory, or GGUF file, to start from.").a_path();
  settings->add(
      "init", &init, {{"pretrained", Init::kPretrained}, {"random", Init::kRandom}},
      "pretrained: the weights of model.path; random: new ones for its config.json and tokenizer, from tuning.seed.");
}

}  // namespace circuit
