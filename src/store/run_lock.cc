#include "store/run_lock.h"

#include "core/error.h"

namespace circuit {

RunLock::RunLock(const std::string& folder, Use use)
    : lock_(folder, use == Use::kWork ? FolderLock::Use::kAlone : FolderLock::Use::kBesideReaders) {
  if (lock_.is_had()) return;
  const std::string process = lock_.holder().empty() ? "" : " (" + lock_.holder() + ")";
  fail(folder, "another process{} works on it. Wait until it ends, or stop it.", process);
}

}  // namespace circuit
