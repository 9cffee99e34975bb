// One process at a time works on a run's folder, or on a sweep's.
#pragma once

#include <string>

#include "io/lock.h"

namespace circuit {

class RunLock {
 public:
  enum class Use {
    kWork,            // who writes into the folder: to tune, resume, sweep
    kReadCheckpoints  // who reads what a run that goes on would remove: to export. Beside others that do
  };
  // Held until it is destroyed. Throws Error naming the folder and the process that holds it when another one works on
  // it. The store alone is read without a lock (run_reader.h).
  RunLock(const std::string& folder, Use use);

 private:
  FolderLock lock_;
};

}  // namespace circuit
