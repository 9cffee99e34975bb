// The world of this process over a group of torch.distributed.
#pragma once

#include <cstdint>
#include <string>

#include "python/task.h"

namespace circuit::python {

// From here on this process is one of the ranks of the group `name` (torch.distributed's name of it), whose tensors are
// on `device`. use: how many such worlds this process has had, the same on all ranks. Throws Error naming who does not
// come.
void join_ranks(const std::string& name, int64_t rank, int64_t count, const std::string& device, double timeout_seconds,
                int64_t use);
// Alone again. why: of an error; empty: the work is done, and all ranks come to this together.
void leave_ranks(const std::string& why);

// `work` as one of the ranks: only the first writes files, and an error is told to the others.
Result work_of_rank(const Task::Work& work, Task& task);

}  // namespace circuit::python
