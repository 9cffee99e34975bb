// Where a run's model comes from.
#pragma once

#include <string>

#include "core/settings.h"

namespace circuit {

struct ModelSource {
  std::string path;  // model directory
  enum class Init { kPretrained, kRandom } init = Init::kPretrained;

  void declare(Settings* settings);
};

}  // namespace circuit
