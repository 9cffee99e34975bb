#include "io/outputs.h"

#include <unistd.h>

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
    if (fs::is_directory(output.path, none))
      fail(output.path, "{}: is a folder, expected a file to write.", output.option);
    AtomicFile probe(output.path);  // throws where it cannot be made; nothing of it stays
  }
}

void check_new_folder(const std::string& option, const std::string& path) {
  if (file_exists(path)) fail(path, "already exists. Choose another name or remove it.");
  fs::path above = fs::absolute(path).lexically_normal();
  if (above.filename().empty()) above = above.parent_path();
  // The first part that is there must be a folder in which others can be made.
  std::error_code none;
  do {
    above = above.parent_path();
  } while (!fs::exists(above, none) && above != above.parent_path());
  const std::string probe = (above / fmt::format(".tmp-{}", getpid())).string();
  std::error_code error;
  if (!fs::is_directory(above, none)) fail(path, "{}: {} is no folder.", option, above.string());
  fs::create_directory(probe, error);
  if (error) fail(path, "{}: cannot make a folder in {}: {}.", option, above.string(), error.message());
  fs::remove(probe, none);
}

}  // namespace circuit
