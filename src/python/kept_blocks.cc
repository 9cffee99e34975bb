#include "python/kept_blocks.h"

#include <c10/core/Allocator.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "core/heap.h"

namespace circuit::python {
namespace {

constexpr size_t kLeast = size_t{256} << 10;  // below, the C library keeps them itself

thread_local bool keeps = false;

// Address space as large as the machine's memory, of which blocks are cut: the smallest free piece that holds one, of
// equals the first; pieces side by side become one.
class Region {
 public:
  Region()
      : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))), size_(static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * page_) {
    if (is_every_page_counted()) return;
    void* begin = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (begin == MAP_FAILED) return;
    begin_ = static_cast<char*>(begin);
    add(begin_, size_);
  }

  bool holds(const void* block) const { return begin_ != nullptr && block >= begin_ && block < begin_ + size_; }

  // Null where no piece holds it.
  void* take(size_t bytes) {
    const size_t size = (bytes + page_ - 1) / page_ * page_;
    const auto fits = by_size_.lower_bound({size, nullptr});
    if (fits == by_size_.end()) return nullptr;
    const auto [found, block] = *fits;
    remove(block, found);
    if (found > size) add(block + size, found - size);
    used_[block] = size;
    return block;
  }

  void give_back(void* block) {
    const auto own = used_.find(static_cast<char*>(block));
    char* begin = own->first;
    size_t size = own->second;
    used_.erase(own);
    const auto next = free_.lower_bound(begin);
    if (next != free_.end() && next->first == begin + size) {
      size += next->second;
      remove(next->first, next->second);
    }
    const auto last = free_.lower_bound(begin);
    if (last != free_.begin()) {
      const auto [before, length] = *std::prev(last);
      if (before + length == begin) {
        remove(before, length);
        begin = before;
        size += length;
      }
    }
    add(begin, size);
  }

  // The pages that nothing lies on, to the system.
  void trim() const {
    for (const auto& [begin, size] : free_) madvise(begin, size, MADV_DONTNEED);
  }

 private:
  void add(char* begin, size_t size) {
    free_[begin] = size;
    by_size_.emplace(size, begin);
  }
  void remove(char* begin, size_t size) {
    by_size_.erase({size, begin});
    free_.erase(begin);
  }

  // Address space counts as memory there (vm.overcommit_memory = 2).
  static bool is_every_page_counted() {
    char how = '0';
    std::ifstream("/proc/sys/vm/overcommit_memory") >> how;
    return how == '2';
  }

  const size_t page_;  // blocks are whole ones
  const size_t size_;
  char* begin_ = nullptr;
  std::map<char*, size_t> used_, free_;
  std::set<std::pair<size_t, char*>> by_size_;  // of the free
};

class Allocator : public c10::Allocator {
 public:
  explicit Allocator(c10::Allocator* plain) : plain_(plain) {}

  c10::DataPtr allocate(size_t bytes) override {
    if (keeps && bytes >= kLeast) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (void* block = region_.take(bytes)) return {block, block, &give_back, c10::Device(c10::DeviceType::CPU)};
    }
    return plain_->allocate(bytes);
  }
  // Of every block, also of the plain allocator's.
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }

  void begin() {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++users_;
  }
  void end() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--users_ == 0) region_.trim();
  }
  void trim() {
    const std::lock_guard<std::mutex> lock(mutex_);
    region_.trim();
  }

  static Allocator& get() {
    static auto* all = new Allocator(c10::GetAllocator(c10::DeviceType::CPU));  // tensors may outlive statics
    return *all;
  }

 private:
  static void give_back(void* block) {
    Allocator& all = get();
    if (!all.region_.holds(block)) return all.plain_->raw_deallocate(block);
    const std::lock_guard<std::mutex> lock(all.mutex_);
    all.region_.give_back(block);
    if (all.users_ == 0) all.region_.trim();
  }

  c10::Allocator* const plain_;
  std::mutex mutex_;
  Region region_;
  int users_ = 0;
};

}  // namespace

void KeptBlocks::prepare() {
  c10::SetAllocator(c10::DeviceType::CPU, &Allocator::get());
  also_release([] { Allocator::get().trim(); });
}

KeptBlocks::KeptBlocks() {
  Allocator::get().begin();
  keeps = true;
}

KeptBlocks::~KeptBlocks() {
  keeps = false;
  Allocator::get().end();
}

}  // namespace circuit::python
