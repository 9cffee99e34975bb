#include "store/run_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "core/error.h"

namespace circuit {
namespace {

TEST(RunLock, IsHeldByOneAndReleasedWithIt) {
  const std::string folder = testing::TempDir() + "/circuit_lock_" + std::to_string(getpid());
  std::filesystem::create_directories(folder);
  using Use = RunLock::Use;
  {
    const RunLock alone(folder, Use::kWork);
    try {
      RunLock second(folder, Use::kReadCheckpoints);
      ADD_FAILURE() << "two hold it";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("(" + std::to_string(getpid()) + ")"));
    }
  }
  const RunLock reader(folder, Use::kReadCheckpoints);
  const RunLock another(folder, Use::kReadCheckpoints);
  EXPECT_THROW(RunLock(folder, Use::kWork), Error);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove(folder);
}

}  // namespace
}  // namespace circuit
