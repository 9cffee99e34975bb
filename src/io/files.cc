#include "io/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "core/error.h"

namespace circuit {
namespace fs = std::filesystem;

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

std::string read_file(const std::string& path) {
  const MappedFile file(path);
  return std::string(file.text());
}

bool file_exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

AtomicFile::AtomicFile(std::string path)
    : path_(std::move(path)), temporary_(path_ + ".tmp-" + std::to_string(getpid())) {
  descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail(path_, "cannot write here: {}.", std::strerror(errno));
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  unlink(temporary_.c_str());
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
  const bool synced = fsync(descriptor_) == 0;
  const int sync_error = errno;
  close(descriptor_);
  descriptor_ = -1;
  if (!synced || rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int reason = synced ? errno : sync_error;
    unlink(temporary_.c_str());
    fail(path_, "cannot write: {}. Nothing was changed.", std::strerror(reason));
  }
}

void write_file(const std::string& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

void make_directories(const std::string& path) {
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
  const fs::path parent = fs::path(target).parent_path();
  if (!parent.empty()) make_directories(parent.string());
  const std::string temporary = target + ".tmp-" + std::to_string(getpid());
  std::error_code ignored;
  fs::remove_all(temporary, ignored);
  try {
    make_directories(temporary);
    fill(temporary);
    if (if_exists == IfExists::kReplace) fs::remove_all(target, ignored);
    std::error_code error;
    fs::rename(temporary, target, error);
    if (error) fail(target, "cannot write the folder: {}.", error.message());
  } catch (...) {
    fs::remove_all(temporary, ignored);
    throw;
  }
}

}  // namespace circuit
