#include "ranks/communicator.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "core/error.h"

namespace circuit {
namespace {

class Alone : public Communicator {
 public:
  int rank() const override { return 0; }
  int count() const override { return 1; }
  std::vector<at::Tensor> exchange(const std::string& /*what*/, std::vector<at::Tensor> outgoing) override {
    return outgoing;
  }
  int64_t sent_bytes() const override { return 0; }
};

std::atomic<Communicator*>& current() {
  static Alone alone;
  static std::atomic<Communicator*> pointer{&alone};
  return pointer;
}

// A value that is not shown whole in a message.
std::string shown(const std::string& value) {
  constexpr size_t kMost = 120;
  return value.size() <= kMost ? value : value.substr(0, kMost) + "…";
}

constexpr int64_t kUndefined = -1;
constexpr int64_t kAlign = 64;
int64_t aligned(int64_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

}  // namespace

Communicator& world() { return *current().load(); }

WorldScope::WorldScope(Communicator& communicator) : before_(current().exchange(&communicator)) {}
WorldScope::~WorldScope() { current().store(before_); }

at::Tensor bytes_of(const std::string& text) {
  at::Tensor bytes = at::empty({static_cast<int64_t>(text.size())}, at::kByte);
  if (!text.empty()) std::memcpy(bytes.data_ptr<uint8_t>(), text.data(), text.size());
  return bytes;
}

std::string text_of(const at::Tensor& bytes) {
  if (bytes.numel() == 0) return {};
  return {reinterpret_cast<const char*>(bytes.data_ptr<uint8_t>()), static_cast<size_t>(bytes.numel())};
}

// A header of 64-bit numbers (how many tensors; of each its type and sizes), then the values, each at a multiple of
// kAlign bytes: unpacked tensors are views.
at::Tensor pack(const std::vector<at::Tensor>& tensors) {
  std::vector<int64_t> header{static_cast<int64_t>(tensors.size())};
  std::vector<at::Tensor> plain;
  for (const at::Tensor& t : tensors) {
    plain.push_back(t.defined() ? t.to(at::kCPU).contiguous() : t);
    header.push_back(t.defined() ? static_cast<int64_t>(t.scalar_type()) : kUndefined);
    if (!t.defined()) continue;
    header.push_back(t.dim());
    header.insert(header.end(), t.sizes().begin(), t.sizes().end());
  }
  const auto header_bytes = static_cast<int64_t>(header.size() * sizeof(int64_t));
  int64_t size = aligned(header_bytes);
  for (const at::Tensor& t : plain) size += t.defined() ? aligned(static_cast<int64_t>(t.nbytes())) : 0;
  at::Tensor bytes = at::empty({size}, at::kByte);
  auto* at = bytes.data_ptr<uint8_t>();
  std::memcpy(at, header.data(), header_bytes);
  at += aligned(header_bytes);
  for (const at::Tensor& t : plain) {
    if (!t.defined()) continue;
    if (t.nbytes() > 0) std::memcpy(at, t.data_ptr(), t.nbytes());
    at += aligned(static_cast<int64_t>(t.nbytes()));
  }
  return bytes;
}

std::vector<at::Tensor> unpack(const at::Tensor& bytes) {
  const auto* next = reinterpret_cast<const int64_t*>(bytes.data_ptr<uint8_t>());
  std::vector<at::Tensor> tensors(*next++);
  std::vector<std::pair<size_t, std::vector<int64_t>>> shapes;
  std::vector<at::ScalarType> types(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const int64_t type = *next++;
    if (type == kUndefined) continue;
    types[i] = static_cast<at::ScalarType>(type);
    const int64_t dims = *next++;
    shapes.emplace_back(i, std::vector<int64_t>(next, next + dims));
    next += dims;
  }
  int64_t offset = aligned(reinterpret_cast<const uint8_t*>(next) - bytes.data_ptr<uint8_t>());
  for (const auto& [i, sizes] : shapes) {
    int64_t count = 1;
    for (const int64_t s : sizes) count *= s;
    const auto size = count * static_cast<int64_t>(at::elementSize(types[i]));
    tensors[i] = size == 0 ? at::empty(sizes, types[i]) : bytes.narrow(0, offset, size).view(types[i]).view(sizes);
    offset += aligned(size);
  }
  return tensors;
}

std::vector<at::Tensor> gather(Communicator& ranks, const std::string& what, const at::Tensor& own) {
  return ranks.exchange(what, std::vector<at::Tensor>(ranks.count(), own));
}

std::vector<std::string> gather(Communicator& ranks, const std::string& what, const std::string& own) {
  std::vector<std::string> all;
  for (const at::Tensor& bytes : gather(ranks, what, bytes_of(own))) all.push_back(text_of(bytes));
  return all;
}

std::string from_first(Communicator& ranks, const std::string& what, const std::string& own) {
  const at::Tensor bytes = bytes_of(ranks.leads() ? own : std::string());
  return text_of(gather(ranks, what, bytes)[0]);
}

bool from_first(Communicator& ranks, const std::string& what, bool own) {
  return from_first(ranks, what, std::string(own ? "1" : "0")) == "1";
}

bool any_of(Communicator& ranks, const std::string& what, bool own) {
  const std::vector<std::string> all = gather(ranks, what, own ? "1" : "0");
  return std::count(all.begin(), all.end(), "1") > 0;
}

void agree(Communicator& ranks, const std::string& what, const std::string& value) {
  const std::vector<std::string> all = gather(ranks, what, value);
  for (size_t r = 1; r < all.size(); ++r) {
    if (all[r] == all[0]) continue;
    fail("ranks", "rank {} has another {} than rank 0: '{}' and '{}'. Start all ranks with the same.", r, what,
         shown(all[r]), shown(all[0]));
  }
}

}  // namespace circuit
