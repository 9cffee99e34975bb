// The files a run reads, and how.
#pragma once

#include <string>

#include "core/settings.h"
#include "task/records.h"

namespace circuit {

struct DataSettings {
  std::string train, dev, test, untouched;  // paths; empty: none
  BeginToken bos = BeginToken::kAuto;
  int64_t max_length = 0;  // tokens; 0: all
  int64_t window = 0;      // tokens; 0: the model's positions
  std::string replay;      // path; empty: none
  double replay_share = 0.25;

  void declare(Settings* settings);
  ReadSpec read_spec() const { return {bos, max_length}; }
};

}  // namespace circuit
