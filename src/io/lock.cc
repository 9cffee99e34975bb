#include "io/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "core/error.h"

namespace circuit {
namespace {

// "1: FLOCK ADVISORY WRITE 1234 08:01:5678 0 EOF" of the folder's inode; empty when the system does not say.
std::string holder_of(int descriptor) {
  struct stat info {};
  if (fstat(descriptor, &info) != 0) return "";
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream words(line);
    std::string number, kind, advice, mode, process, file;
    words >> number >> kind >> advice >> mode >> process >> file;
    const size_t colon = file.rfind(':');
    if (kind != "FLOCK" || colon == std::string::npos || file.substr(colon + 1) != std::to_string(info.st_ino))
      continue;
    return process;
  }
  return "";
}

}  // namespace

FolderLock::FolderLock(const std::string& folder, Use use) {
  descriptor_ = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor_ < 0) fail(folder, "cannot open the folder: {}.", std::strerror(errno));
  if (flock(descriptor_, (use == Use::kAlone ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0) return;
  // Some network file systems have no locks.
  is_had_ = errno != EWOULDBLOCK;
  if (!is_had_) holder_ = holder_of(descriptor_);
  close(descriptor_);
  descriptor_ = -1;
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace circuit
