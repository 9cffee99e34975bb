#include "tests/device/fake_device.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <sys/mman.h>
#include <torch/library.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <vector>

namespace circuit {
namespace {

constexpr auto kType = c10::DeviceType::PrivateUse1;

// Memory by whole pages, closed to everybody; operators open what they are given.
class Pages {
 public:
  static Pages& all() {
    static Pages* pages = new Pages;  // tensors of other statics outlive every static
    return *pages;
  }
  void* make(size_t bytes) {
    static const size_t page = sysconf(_SC_PAGESIZE);
    const size_t size = (bytes + page - 1) / page * page;
    void* p = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TORCH_CHECK(p != MAP_FAILED, "fake device: out of memory");
    const std::lock_guard<std::mutex> lock(mutex_);
    sizes_[p] = size;
    return p;
  }
  void drop(void* p) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = sizes_.find(p);
    if (found == sizes_.end()) return;
    munmap(p, found->second);
    sizes_.erase(found);
  }
  void protect(void* p, int how) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (const auto found = sizes_.find(p); found != sizes_.end()) mprotect(p, found->second, how);
  }
  // Called from a signal's handler, while no operator works.
  bool has(const void* address) const {
    const auto* a = static_cast<const char*>(address);
    return std::any_of(sizes_.begin(), sizes_.end(), [&](const auto& block) {
      const auto* begin = static_cast<const char*>(block.first);
      return a >= begin && a < begin + block.second;
    });
  }

 private:
  std::mutex mutex_;
  std::map<void*, size_t> sizes_;
};

void drop_pages(void* p) {
  if (p != nullptr) Pages::all().drop(p);
}

struct Memory final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) const override {
    void* p = bytes == 0 ? nullptr : Pages::all().make(bytes);
    return {p, p, &drop_pages, c10::Device(kType, 0)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &drop_pages; }
};
Memory memory;

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return kType; }
  c10::Device exchangeDevice(c10::Device /*device*/) const override { return {kType, 0}; }
  c10::Device getDevice() const override { return {kType, 0}; }
  void setDevice(c10::Device /*device*/) const override {}
  void uncheckedSetDevice(c10::Device /*device*/) const noexcept override {}
  c10::Stream getStream(c10::Device device) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, device);
  }
  c10::Stream exchangeStream(c10::Stream stream) const noexcept override { return stream; }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void** /*event*/, const c10::Stream& /*stream*/, const c10::DeviceIndex /*device*/,
              const c10::EventFlag /*flag*/) const override {}
  void block(void* /*event*/, const c10::Stream& /*stream*/) const override {}
  bool queryEvent(void* /*event*/) const override { return true; }
  void destroyEvent(void* /*event*/, const c10::DeviceIndex /*device*/) const noexcept override {}
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

FakeDeviceCounts counts;

// Opens the pages of tensors for as long as an operator works on them.
class Opened {
 public:
  Opened() = default;
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  ~Opened() {
    for (void* p : bases_) Pages::all().protect(p, PROT_NONE);
  }
  void add(const at::Tensor& t) {
    void* base = t.storage().data();
    if (base == nullptr || !bases_.insert(base).second) return;
    Pages::all().protect(base, PROT_READ | PROT_WRITE);
  }

 private:
  std::set<void*> bases_;
};

bool is_here(const at::Tensor& t) { return t.defined() && t.device().type() == kType; }

// The same memory as a tensor of the CPU.
at::Tensor seen_by_host(const at::Tensor& t, Opened& opened) {
  opened.add(t);
  auto* base = static_cast<char*>(t.storage().data());
  void* data = base == nullptr ? nullptr : base + t.storage_offset() * static_cast<int64_t>(t.element_size());
  return at::from_blob(
      data, t.sizes(), t.strides(), [](void*) {}, t.options().device(at::kCPU));
}

at::Tensor make(at::IntArrayRef sizes, at::IntArrayRef strides, at::ScalarType type) {
  int64_t elements = 1;
  for (size_t i = 0; i < sizes.size(); ++i) {
    elements = sizes[i] == 0 || elements == 0 ? 0 : elements + (sizes[i] - 1) * strides[i];
  }
  const size_t bytes = elements * c10::elementSize(type);
  auto storage = c10::make_intrusive<c10::StorageImpl>(c10::StorageImpl::use_byte_size_t(), bytes,
                                                       memory.allocate(bytes), &memory, true);
  at::Tensor t = at::detail::make_tensor<c10::TensorImpl>(
      c10::Storage(storage), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), c10::scalarTypeToTypeMeta(type));
  t.unsafeGetTensorImpl()->set_sizes_and_strides(sizes, strides);
  return t;
}

at::Tensor from_host(const at::Tensor& host) {
  at::Tensor t = make(host.sizes(), host.strides(), host.scalar_type());
  Opened opened;
  seen_by_host(t, opened).copy_(host);
  return t;
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, c10::optional<at::ScalarType> type,
                         c10::optional<at::Layout> /*layout*/, c10::optional<at::Device> /*device*/,
                         c10::optional<bool> /*pinned*/) {
  return make(size, stride, type.value_or(at::kFloat));
}

at::Tensor empty(at::IntArrayRef size, c10::optional<at::ScalarType> type, c10::optional<at::Layout> /*layout*/,
                 c10::optional<at::Device> /*device*/, c10::optional<bool> /*pinned*/,
                 c10::optional<at::MemoryFormat> /*format*/) {
  std::vector<int64_t> strides(size.size(), 1);
  for (size_t i = size.size(); i-- > 1;) strides[i - 1] = strides[i] * std::max<int64_t>(1, size[i]);
  return make(size, strides, type.value_or(at::kFloat));
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool /*non_blocking*/) {
  ++counts.by_operator[is_here(from) ? (is_here(to) ? "copy_" : "copy to the host") : "copy to the device"];
  if (is_here(from) && is_here(to)) {
    ++counts.launches;
  } else {
    ++(is_here(to) ? counts.to_device : counts.to_host);
  }
  Opened opened;
  at::Tensor target = is_here(to) ? seen_by_host(to, opened) : to;
  target.copy_(is_here(from) ? seen_by_host(from, opened) : from);
  return to;
}

at::Scalar item(const at::Tensor& t) {
  ++counts.items;
  Opened opened;
  return seen_by_host(t, opened).item();
}

// CUDA fuses a foreach operator where all lists' tensors are dense and alike in strides and dtype.
bool is_fused(const std::vector<std::vector<at::Tensor>>& lists) {
  for (const std::vector<at::Tensor>& list : lists) {
    if (list.size() != lists[0].size()) return false;
    for (size_t i = 0; i < list.size(); ++i) {
      if (!list[i].is_non_overlapping_and_dense() || list[i].strides() != lists[0][i].strides() ||
          list[i].scalar_type() != lists[0][0].scalar_type())
        return false;
    }
  }
  return true;
}

// One call of an operator: its tensors are seen by the host while the CPU's kernel works, and what it returns is
// brought here.
class Call {
 public:
  Call(const c10::OperatorHandle& op, torch::jit::Stack* stack) : op_(op), stack_(*stack), name_(op.schema().name()) {}

  void run() {
    enter_all();
    op_.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &stack_);
    const int64_t each = lists_.empty() || is_fused(lists_) ? 1 : static_cast<int64_t>(lists_[0].size());
    const int64_t launches = name_.find("_foreach_") == std::string::npos ? 1 : each;
    counts.launches += launches;
    counts.by_operator[name_] += launches;
    for (size_t i = stack_.size() - op_.schema().returns().size(); i < stack_.size(); ++i) leave(stack_[i]);
  }

 private:
  void enter_all() {
    const size_t arguments = op_.schema().arguments().size();
    for (size_t i = 0; i < arguments; ++i) enter(stack_[stack_.size() - arguments + i], i);
  }

  void enter(c10::IValue& value, size_t i) {
    if (value.isTensor()) {
      value = entered(value.toTensor(), i);
    } else if (value.isTensorList()) {
      lists_.push_back(value.toTensorVector());
      std::vector<at::Tensor> list;
      for (const at::Tensor& t : lists_.back()) list.push_back(entered(t, i));
      value = c10::List<at::Tensor>(list);
    } else if (value.isOptionalTensorList()) {
      c10::List<c10::optional<at::Tensor>> list;
      for (const c10::optional<at::Tensor>& t : value.toOptionalTensorVector()) {
        list.push_back(t ? c10::optional<at::Tensor>(entered(*t, i)) : c10::nullopt);
      }
      value = list;
    } else if (value.isDevice()) {
      value = c10::IValue(c10::Device(at::kCPU));
    }
  }

  at::Tensor entered(const at::Tensor& t, size_t i) {
    if (!t.defined()) return t;
    const auto& argument = op_.schema().arguments()[i];
    if (!is_here(t)) {
      // As on a GPU: a number of the host may stand beside tensors of the device, and indices of a copy may not.
      TORCH_CHECK(t.dim() == 0, "fake device: ", name_, " has its argument '", argument.name(), "', ", t.sizes(),
                  ", on ", t.device());
      return t;
    }
    const auto* alias = argument.alias_info();
    // An empty out= tensor is resized by its operator, and gets its memory afterwards.
    const bool grows = alias != nullptr && alias->isWrite() && t.numel() == 0;
    pairs_.emplace_back(grows ? at::empty({0}, t.options().device(at::kCPU)) : seen_by_host(t, opened_), t);
    return pairs_.back().first;
  }

  at::Tensor left(const at::Tensor& t) const {
    if (!t.defined()) return t;
    for (const auto& [host, here] : pairs_) {
      if (host.unsafeGetTensorImpl() != t.unsafeGetTensorImpl()) continue;
      if (here.numel() == 0 && host.numel() > 0) {
        const at::Tensor grown = from_host(host);
        here.unsafeGetTensorImpl()->set_storage_keep_dtype(grown.storage());
        here.unsafeGetTensorImpl()->set_sizes_and_strides(grown.sizes(), grown.strides());
      }
      return here;
    }
    return from_host(t);
  }

  void leave(c10::IValue& value) const {
    if (value.isTensor()) {
      value = left(value.toTensor());
    } else if (value.isTensorList()) {
      std::vector<at::Tensor> list;
      for (const at::Tensor& t : value.toTensorVector()) list.push_back(left(t));
      value = c10::List<at::Tensor>(list);
    }
  }

  const c10::OperatorHandle& op_;
  torch::jit::Stack& stack_;
  const std::string name_;
  Opened opened_;
  std::vector<std::pair<at::Tensor, at::Tensor>> pairs_;  // as the host sees it, here
  std::vector<std::vector<at::Tensor>> lists_;
};

void on_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) { Call(op, stack).run(); }

at::Tensor view_of(const at::Tensor& self, at::IntArrayRef size, at::IntArrayRef stride,
                   c10::optional<int64_t> offset) {
  at::Tensor t = at::detail::make_tensor<c10::TensorImpl>(c10::TensorImpl::VIEW, c10::Storage(self.storage()),
                                                          self.key_set(), self.dtype());
  t.unsafeGetTensorImpl()->set_storage_offset(offset.value_or(self.storage_offset()));
  t.unsafeGetTensorImpl()->set_sizes_and_strides(size, stride);
  return t;
}

// The sizes and strides of a view, from the same view of a tensor without memory.
template <class View>
at::Tensor viewed(const at::Tensor& self, const View& view) {
  const at::Tensor shape = view(at::empty_strided(self.sizes(), self.strides(), self.options().device(at::kMeta)));
  return view_of(self, shape.sizes(), shape.strides(), self.storage_offset());
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&on_cpu>()); }
TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", &empty);
  m.impl("empty_strided", &empty_strided);
  m.impl("_copy_from", &copy_from);
  m.impl("_local_scalar_dense", &item);
  m.impl("as_strided", &view_of);
  m.impl("view", [](const at::Tensor& self, at::IntArrayRef size) {
    return viewed(self, [&](const at::Tensor& t) { return t.view(size); });
  });
  m.impl("_reshape_alias", [](const at::Tensor& self, at::IntArrayRef size, at::IntArrayRef stride) {
    return view_of(self, size, stride, self.storage_offset());
  });
  m.impl("unfold", [](const at::Tensor& self, int64_t dim, int64_t size, int64_t step) {
    return viewed(self, [&](const at::Tensor& t) { return t.unfold(dim, size, step); });
  });
}

void on_fault(int /*signal*/, siginfo_t* info, void* /*context*/) {
  const char* text =
      Pages::all().has(info->si_addr) ? "fake device: host code touched the device's memory\n" : "segmentation fault\n";
  if (write(STDERR_FILENO, text, std::strlen(text)) < 0) _exit(2);
  signal(SIGSEGV, SIG_DFL);
}

struct Registered {
  Registered() {
    c10::SetAllocator(kType, &memory);
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, nullptr);
  }
} registered;

}  // namespace

at::Device fake_device() { return {kType, 0}; }
FakeDeviceCounts fake_device_counts() { return counts; }
void reset_fake_device_counts() { counts = FakeDeviceCounts(); }

}  // namespace circuit
