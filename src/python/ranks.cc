#include "python/ranks.h"

#include <memory>
#include <optional>

#include "core/error.h"
#include "io/files.h"
#include "ranks/joined_world.h"

#include <torch/csrc/distributed/c10d/GroupRegistry.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

namespace circuit::python {
namespace {

// Joined by the caller's thread, used by the tasks' threads, one at a time.
struct Joined {
  std::shared_ptr<JoinedWorld> world;
  std::optional<WorldScope> scope;
};
Joined& joined() {
  static Joined instance;
  return instance;
}

std::string one_line(const std::exception& error) {
  const std::string what = error.what();
  return what.substr(0, what.find('\n'));
}

}  // namespace

void join_ranks(const std::string& name, int64_t rank, int64_t count, const std::string& device, double timeout_seconds,
                int64_t use) {
  if (joined().world) fail("ranks", "are joined already: one `with ct.Ranks()` at a time.");
  ProcessGroupPointer group;
  try {
    group = c10d::resolve_process_group(name);
  } catch (const std::exception& error) {
    fail("ranks", "torch.distributed has no group '{}': {}.", name, one_line(error));
  }
  JoinedWorld::Spec spec;
  spec.ranks = {static_cast<int>(rank), static_cast<int>(count)};
  spec.store = c10::make_intrusive<c10d::PrefixStore>(fmt::format("circuit/{}/{}", name, use), group->getStore());
  spec.timeout = std::chrono::milliseconds(static_cast<int64_t>(timeout_seconds * 1000));
  spec.device = at::Device(device);
  joined().world = std::make_shared<JoinedWorld>(spec, [&] { return group; });
  joined().scope.emplace(*joined().world);
}

void leave_ranks(const std::string& why) {
  const std::shared_ptr<JoinedWorld> world = joined().world;
  if (!world) return;
  joined().scope.reset();
  joined().world.reset();
  if (why.empty()) {
    world->finish();
  } else {
    world->leave(why);
  }
}

Result work_of_rank(const Task::Work& work, Task& task) {
  std::optional<NoFiles> no_files;
  if (!world().leads()) no_files.emplace();
  try {
    return work(task);
  } catch (const std::exception& error) {
    if (joined().world) joined().world->leave(one_line(error));
    throw;
  }
}

}  // namespace circuit::python
