// A checkpoint is mapped, not read.
#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>

#include "groups.h"
#include "io/files.h"
#include "io/safetensors.h"
#include "measure.h"
#include "model/checkpoint.h"
#include "shapes.h"

namespace circuit::bench {

void opening(const Options&) {
  const Model model = random_model(gpt2_small(), at::kFloat);
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("circuit-bench-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  NamedTensors tensors;
  for (const TensorShape& t : model.layout().tensors)
    tensors.emplace_back("transformer." + t.name, model.parameter(t.name));
  save_tensors((folder / "model.safetensors").string(), tensors, {{"format", "pt"}});
  write_file((folder / "config.json").string(),
             R"({"model_type":"gpt2","n_layer":12,"n_head":12,"n_embd":768,"vocab_size":50257,"n_positions":1024})");
  std::vector<double> times;
  for (int i = 0; i < 5; ++i) {
    times.push_back(seconds([&] { Model::load(Checkpoint::open(folder.string()), {}); }));
  }
  std::filesystem::remove_all(folder);
  row("opening a 498 MB checkpoint, beyond start-up", median(times), "s", "<= 0.2");
}

}  // namespace circuit::bench
