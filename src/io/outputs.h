// Files that a command is to write, looked at before it works.
#pragma once

#include <string>
#include <vector>

namespace circuit {

struct NamedPath {
  std::string option;  // "-o", "--svg": for the message
  std::string path;    // empty: not asked for
};

// Throws Error naming the option: an output that is one of the inputs (or a file of an input folder, pages left out),
// that is another output, or that cannot be written.
void check_outputs(const std::vector<std::string>& inputs, const std::vector<NamedPath>& outputs);

// The same of a folder that a command is to make: one that is there, or that cannot be made.
void check_new_folder(const std::string& option, const std::string& path);

}  // namespace circuit
