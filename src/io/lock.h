// One process at a time works on a folder.
#pragma once

#include <string>

namespace circuit {

// An advisory lock (flock) on the folder itself: nothing is left behind, and a process that is killed lets go of it.
class FolderLock {
 public:
  enum class Use { kAlone, kBesideReaders };
  // Throws Error naming the folder and the process that holds it when another one works on it: kAlone beside any other
  // holder, kBesideReaders beside a kAlone.
  FolderLock(const std::string& folder, Use use);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace circuit
