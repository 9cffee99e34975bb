// What `circuit score` says of a file.
#pragma once

#include <string>

#include "evaluation/ability.h"

namespace circuit {

Json ability_json(const std::string& path, const FileScore& score);
std::string ability_text(const std::string& path, const FileScore& score);

}  // namespace circuit
