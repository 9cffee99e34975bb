// An advisory lock (flock) on a folder itself: nothing is left behind, and a process that is killed lets go of it. Who
// takes it and what a second one is told is store/run_lock.h's.
#pragma once

#include <string>

namespace circuit {

class FolderLock {
 public:
  enum class Use { kAlone, kBesideReaders };
  // Tries once: kAlone is not had beside any other holder, kBesideReaders not beside a kAlone. Where the file system
  // has no locks nobody can be told from anybody, and it is had. Throws Error when the folder cannot be opened.
  FolderLock(const std::string& folder, Use use);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  bool is_had() const { return is_had_; }
  // Of a lock that is not had: the process that holds it; empty when the system does not say.
  const std::string& holder() const { return holder_; }

 private:
  int descriptor_ = -1;
  bool is_had_ = true;
  std::string holder_;
};

}  // namespace circuit
