#include "cli/outputs.h"

#include <filesystem>

#include "core/error.h"
#include "io/files.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

bool same(const std::string& a, const std::string& b) {
  std::error_code none;
  if (fs::equivalent(a, b, none)) return true;
  return fs::weakly_canonical(fs::absolute(a), none) == fs::weakly_canonical(fs::absolute(b), none);
}

bool overwrites(const std::string& output, const std::string& input) {
  if (same(output, input)) return true;
  std::error_code none;
  const fs::path target = fs::weakly_canonical(fs::absolute(output), none);
  return fs::is_directory(input, none) && fs::exists(target, none) && target.extension() != ".html" &&
         target.parent_path() == fs::weakly_canonical(fs::absolute(input), none);
}

}  // namespace

void check_outputs(const std::vector<std::string>& inputs, const std::vector<NamedPath>& outputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    const NamedPath& output = outputs[i];
    if (output.path.empty()) continue;
    for (const std::string& input : inputs) {
      if (input.empty() || !overwrites(output.path, input)) continue;
      fail(output.path, "{}: would overwrite {}, which is read. Choose another name.", output.option, input);
    }
    for (size_t j = 0; j < i; ++j) {
      if (outputs[j].path.empty() || !same(output.path, outputs[j].path)) continue;
      fail(output.path, "is given as {} and as {}. Choose two names.", outputs[j].option, output.option);
    }
    std::error_code none;
    if (fs::is_directory(output.path, none)) fail(output.path, "{}: is a folder, expected a file to write.", output.option);
    AtomicFile probe(output.path);  // throws where it cannot be made; nothing of it stays
  }
}

}  // namespace circuit
