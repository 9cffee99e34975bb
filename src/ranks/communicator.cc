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

// Writes and reads plain numbers at a place that moves on.
template <class T>
void put(char** at, T value) {
  std::memcpy(*at, &value, sizeof value);
  *at += sizeof value;
}
template <class T>
T take(const char** at) {
  T value;
  std::memcpy(&value, *at, sizeof value);
  *at += sizeof value;
  return value;
}

constexpr int64_t kUndefined = -1;

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

at::Tensor pack(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> plain;
  int64_t size = sizeof(int64_t);
  for (const at::Tensor& t : tensors) {
    plain.push_back(t.defined() ? t.to(at::kCPU).contiguous() : t);
    size += static_cast<int64_t>(sizeof(int64_t));
    if (t.defined())
      size += static_cast<int64_t>((1 + t.dim()) * sizeof(int64_t)) + static_cast<int64_t>(plain.back().nbytes());
  }
  at::Tensor bytes = at::empty({size}, at::kByte);
  char* at = reinterpret_cast<char*>(bytes.data_ptr<uint8_t>());
  put(&at, static_cast<int64_t>(plain.size()));
  for (const at::Tensor& t : plain) {
    put(&at, t.defined() ? static_cast<int64_t>(t.scalar_type()) : kUndefined);
    if (!t.defined()) continue;
    put(&at, t.dim());
    for (const int64_t s : t.sizes()) put(&at, s);
    if (t.nbytes() > 0) std::memcpy(at, t.data_ptr(), t.nbytes());
    at += t.nbytes();
  }
  return bytes;
}

std::vector<at::Tensor> unpack(const at::Tensor& bytes) {
  const char* at = reinterpret_cast<const char*>(bytes.data_ptr<uint8_t>());
  std::vector<at::Tensor> tensors(take<int64_t>(&at));
  for (at::Tensor& t : tensors) {
    const auto type = take<int64_t>(&at);
    if (type == kUndefined) continue;
    std::vector<int64_t> sizes(take<int64_t>(&at));
    for (int64_t& s : sizes) s = take<int64_t>(&at);
    t = at::empty(sizes, static_cast<at::ScalarType>(type));
    if (t.nbytes() > 0) std::memcpy(t.data_ptr(), at, t.nbytes());
    at += t.nbytes();
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
