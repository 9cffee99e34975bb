// The memory of tensors between the steps of a task.
#pragma once

namespace circuit::python {

// While it lives, larger tensors of this thread lie in one region of memory whose pages stay when they are freed: a
// thread beside the first has them from the system anew each time, page by page, which was a sixth of a tuning step.
// The program has its C library keep them (cli/program.cc); in somebody else's process its settings are not ours.
// Tensors may outlive it and be freed by any thread; those of other threads lie where they did. Where the system grants
// no such region, nothing changes.
class KeptBlocks {
 public:
  // Once, before other threads make tensors: libtorch's allocator is changed without a lock.
  static void prepare();

  KeptBlocks();
  ~KeptBlocks();
  KeptBlocks(const KeptBlocks&) = delete;
  KeptBlocks& operator=(const KeptBlocks&) = delete;
};

}  // namespace circuit::python
