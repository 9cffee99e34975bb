#include "io/files.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "core/error.h"

namespace circuit {
namespace fs = std::filesystem;
namespace {

std::string parent_of(const std::string& path) {
  const fs::path parent = fs::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

// Writes a file's bytes, or the names in a folder, through to the disk. Returns errno, 0 for success. A file system
// that cannot sync a folder (EINVAL) has done what it can.
int sync_path(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return errno;
  const int reason = fsync(descriptor) == 0 || errno == EINVAL ? 0 : errno;
  close(descriptor);
  return reason;
}

void sync_tree(const std::string& folder, const std::string& target) {
  const auto sync = [&](const std::string& path) {
    if (const int reason = sync_path(path))
      fail(target, "cannot write: {}. Nothing was changed.", std::strerror(reason));
  };
  for (const auto& item : fs::recursive_directory_iterator(folder)) {
    if (item.is_regular_file() || item.is_directory()) sync(item.path().string());
  }
  sync(folder);
}

// renameat2, which glibc before 2.28 has no function for. Returns errno, 0 for success.
int rename_with(const std::string& from, const std::string& to, unsigned flags) {
  const long code = syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags);
  return code == 0 ? 0 : errno;
}

bool lacks_flag(int reason) { return reason == EINVAL || reason == ENOSYS; }

int move_new(const std::string& temporary, const std::string& target) {
  const int reason = rename_with(temporary, target, RENAME_NOREPLACE);
  if (!lacks_flag(reason)) return reason;
  return rename(temporary.c_str(), target.c_str()) == 0 ? 0 : errno;
}

// Puts `temporary` where `target` stands; the old folder is gone afterwards.
int replace(const std::string& temporary, const std::string& target) {
  std::error_code ignored;
  int reason = rename_with(temporary, target, RENAME_EXCHANGE);
  if (reason == 0) {
    fs::remove_all(temporary, ignored);
    return 0;
  }
  if (!lacks_flag(reason)) return reason;
  const std::string old = target + ".old-" + std::to_string(getpid());
  if (rename(target.c_str(), old.c_str()) != 0) return errno;
  if (rename(temporary.c_str(), target.c_str()) != 0) {
    reason = errno;
    rename(old.c_str(), target.c_str());
    return reason;
  }
  fs::remove_all(old, ignored);
  return 0;
}

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(path, "cannot open the file: {}.", std::strerror(errno));
  struct stat info {};
  if (fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(descriptor);
    fail(path, "not a regular file.");
  }
  size_ = static_cast<size_t>(info.st_size);
  if (size_ > 0) {
    void* mapped = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE, descriptor, 0);
    close(descriptor);
    if (mapped == MAP_FAILED) fail(path, "cannot map the file: {}.", std::strerror(errno));
    data_ = static_cast<std::byte*>(mapped);
  } else {
    close(descriptor);
  }
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(data_, size_);
}

void MappedFile::release(size_t begin, size_t size) const {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t first = (begin + page - 1) / page * page;
  const size_t end = (begin + size) / page * page;
  if (end > first) madvise(data_ + first, end - first, MADV_DONTNEED);
}

std::string_view without_byte_order_mark(std::string_view text) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  return text.substr(0, kMark.size()) == kMark ? text.substr(kMark.size()) : text;
}

std::string read_file(const std::string& path) {
  const MappedFile file(path);
  return std::string(file.text());
}

bool file_exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

namespace {

thread_local bool writes_no_files = false;

}  // namespace

NoFiles::NoFiles() : before_(writes_no_files) { writes_no_files = true; }
NoFiles::~NoFiles() { writes_no_files = before_; }

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  std::error_code none;
  // A link stays one, and what it points to is written.
  if (fs::is_symlink(path_, none)) path_ = fs::weakly_canonical(path_, none).string();
  // A device or a pipe (/dev/stdout, /dev/null) is written to: a rename would put a file in its place.
  if (writes_no_files) path_ = "/dev/null";
  const bool special = fs::exists(path_, none) && !fs::is_regular_file(path_, none);
  if (!special) temporary_ = path_ + ".tmp-" + std::to_string(getpid());
  const int create = special ? 0 : O_CREAT | O_TRUNC;
  descriptor_ = open((special ? path_ : temporary_).c_str(), O_WRONLY | O_CLOEXEC | create, 0644);
  if (descriptor_ < 0) fail(path_, "cannot write here: {}.", std::strerror(errno));
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::write(descriptor_, at, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      fail(path_, "cannot write: {}. Nothing was changed; free some space or choose another folder.",
           std::strerror(errno));
    }
    at += written;
    size -= static_cast<size_t>(written);
  }
}

void AtomicFile::commit() {
  int reason = temporary_.empty() || fsync(descriptor_) == 0 ? 0 : errno;
  if (close(descriptor_) != 0 && reason == 0) reason = errno;
  descriptor_ = -1;
  if (temporary_.empty()) {
    if (reason != 0) fail(path_, "cannot write: {}.", std::strerror(reason));
    return;
  }
  if (reason == 0 && rename(temporary_.c_str(), path_.c_str()) != 0) reason = errno;
  if (reason != 0) {
    unlink(temporary_.c_str());
    fail(path_, "cannot write: {}. Nothing was changed.", std::strerror(reason));
  }
  sync_path(parent_of(path_));
}

void write_file(const std::string& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

void make_directories(const std::string& path) {
  if (writes_no_files) return;
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail(path, "cannot create the folder: {}.", error.message());
}

void write_directory(const std::string& path, IfExists if_exists,
                     const std::function<void(const std::string& folder)>& fill) {
  std::string target = path;
  while (target.size() > 1 && target.back() == '/') target.pop_back();
  if (if_exists == IfExists::kRefuse && file_exists(target)) {
    fail(target, "already exists. Choose another name or remove it.");
  }
  if (writes_no_files) return;
  const fs::path parent = fs::path(target).parent_path();
  if (!parent.empty()) make_directories(parent.string());
  const std::string temporary = target + ".tmp-" + std::to_string(getpid());
  std::error_code ignored;
  fs::remove_all(temporary, ignored);
  try {
    make_directories(temporary);
    fill(temporary);
    sync_tree(temporary, target);
    const bool replaces = if_exists == IfExists::kReplace && file_exists(target);
    const int reason = replaces ? replace(temporary, target) : move_new(temporary, target);
    if (reason == EEXIST) fail(target, "already exists. Choose another name or remove it.");
    if (reason != 0) fail(target, "cannot write the folder: {}.", std::strerror(reason));
    sync_path(parent_of(target));
  } catch (...) {
    fs::remove_all(temporary, ignored);
    throw;
  }
}

}  // namespace circuit
