// Reading whole files, mapping them, and writing so that a file is there complete or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace circuit {

// A read-only view of a file; pages are loaded when touched (private, copy-on-write mapping, so
// tensors may be made over it and changed in memory without reaching the file).
class MappedFile {
 public:
  // Throws Error naming the path when it cannot be opened or is a directory.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  // Lets go of the memory of the whole pages in [begin, begin + size): the next touch reads the file again, and what
  // was changed there in memory is lost.
  void release(size_t begin, size_t size) const;
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Without the byte order mark that may stand before a text in UTF-8: it is none of it.
std::string_view without_byte_order_mark(std::string_view text);

// The whole file as bytes. Throws Error naming the path.
std::string read_file(const std::string& path);

bool file_exists(const std::string& path);

// Streams bytes into `path`.tmp-PID, then fsync, rename and fsync of the folder: readers see the old file or the new
// one. Nothing is left behind when it is destroyed without commit() or when a write fails. What a link points to is
// replaced, not the link; a device or a pipe is written to as it is.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Throws Error naming the path and the reason (disk full, …).
  void write(const void* data, size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

 private:
  std::string path_;
  std::string temporary_;  // empty: `path` is no regular file
  int descriptor_ = -1;
};

// While it lives, this thread writes no file and no folder, and calls that would do as if they had: of a process whose
// results another one writes.
class NoFiles {
 public:
  NoFiles();
  ~NoFiles();
  NoFiles(const NoFiles&) = delete;
  NoFiles& operator=(const NoFiles&) = delete;

 private:
  const bool before_;
};

// AtomicFile for content at hand.
void write_file(const std::string& path, std::string_view content);

// Calls `fill` with a fresh folder beside `path`, writes what it made through to the disk and renames it to `path`;
// removes it when fill throws. With an existing `path`: refused, unless it is to be replaced: then the two are
// exchanged in one step, so that at any moment `path` is the old folder or the new one. Where the file system cannot
// exchange, the old folder is `path`.old-PID between two renames.
enum class IfExists { kRefuse, kReplace };
void write_directory(const std::string& path, IfExists if_exists,
                     const std::function<void(const std::string& folder)>& fill);

// mkdir -p. Throws Error naming the path.
void make_directories(const std::string& path);

}  // namespace circuit
