#include "ranks/joined_world.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

// Deprecated in torch 2.15, whose other name for it 2.14 does not have.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace circuit {
namespace {

using std::chrono::milliseconds;

std::vector<uint8_t> raw(const std::string& text) { return {text.begin(), text.end()}; }

int64_t hash_of(const std::string& text) {
  // FNV-1a: the same on every machine.
  uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return static_cast<int64_t>(hash);
}

// Several beats fit into what a rank may let the others wait.
milliseconds beat_for(milliseconds timeout) { return std::clamp(timeout / 8, milliseconds(50), milliseconds(1000)); }

}  // namespace

KeyStore key_store(const StorePointer& store) {
  return {[store](const std::string& key, int64_t more) { return store->add(key, more); },
          [store](const std::string& key, const std::string& value) { store->set(key, raw(value)); },
          [store](const std::string& key) {
            if (!store->check({key})) return std::string();
            const std::vector<uint8_t> bytes = store->get(key);
            return std::string(bytes.begin(), bytes.end());
          }};
}

JoinedWorld::JoinedWorld(Spec spec, const std::function<ProcessGroupPointer()>& group)
    : spec_(std::move(spec)),
      members_(key_store(spec_.store), spec_.ranks.rank, spec_.ranks.count, spec_.host, beat_for(spec_.timeout)) {
  try {
    group_ = group();
  } catch (const std::exception& error) {
    stop(members_.explain(0, "joining", error.what()));
  }
}

void JoinedWorld::stop(const std::string& who) {
  members_.leave(who);
  throw RanksError(
      fmt::format("[ranks] {}. Seen by rank {}. Start all ranks again; a run goes on from its last checkpoint.", who,
                  spec_.ranks.rank));
}

std::vector<at::Tensor> JoinedWorld::exchange(const std::string& what, std::vector<at::Tensor> outgoing) {
  ++number_;
  try {
    members_.at(number_, what);
    return payload(outgoing, sizes_from_others(what, outgoing));
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    stop(members_.explain(number_, what, error.what()));
  }
}

at::Tensor JoinedWorld::all_to_all(const at::Tensor& to, int64_t size, std::vector<int64_t> from_each,
                                   std::vector<int64_t> to_each) {
  at::Tensor sent = to.to(spec_.device);
  at::Tensor received = at::empty({size}, sent.options());
  wait_for(*group_->alltoall_base(received, sent, from_each, to_each));
  return received.to(at::kCPU);
}

// Who stops says so in the store, and may keep its connections until the others have heard.
void JoinedWorld::wait_for(c10d::Work& work) {
  constexpr milliseconds kLook{250};
  if (!spec_.device.is_cpu()) {
    work.wait();
    return;
  }
  while (true) {
    try {
      work.wait(kLook);
      return;
    } catch (const std::exception&) {
      if (work.isCompleted()) throw;
    }
    if (members_.has_other_left()) throw std::runtime_error("another rank has stopped");
  }
}

// Bytes that come from each rank. All must be at the same exchange.
std::vector<int64_t> JoinedWorld::sizes_from_others(const std::string& what, const std::vector<at::Tensor>& outgoing) {
  constexpr int64_t kFields = 3;
  std::vector<int64_t> own;
  for (const at::Tensor& t : outgoing) own.insert(own.end(), {t.numel(), number_, hash_of(what)});
  const at::Tensor from = all_to_all(at::tensor(own, at::kLong), static_cast<int64_t>(own.size()), {}, {});
  std::vector<int64_t> sizes;
  for (int r = 0; r < spec_.ranks.count; ++r) {
    const auto* fields = from.data_ptr<int64_t>() + r * kFields;
    sizes.push_back(fields[0]);
    if (fields[1] == number_ && fields[2] == hash_of(what)) continue;
    const std::string other = key_store(spec_.store).get(fmt::format("at/{}", r));
    const std::string why = fmt::format("ranks {} and {} are not at the same work: '{}' and '{}'", spec_.ranks.rank, r,
                                        what, other.substr(std::min(other.size(), other.find(' ') + 1)));
    members_.leave(why);
    throw RanksError(fmt::format("[ranks] {}. Do all have the same arguments and files?", why));
  }
  return sizes;
}

std::vector<at::Tensor> JoinedWorld::payload(const std::vector<at::Tensor>& outgoing, std::vector<int64_t> incoming) {
  const int count = spec_.ranks.count;
  std::vector<int64_t> sizes;
  int64_t size_out = 0;
  int64_t size_in = 0;
  for (int r = 0; r < count; ++r) {
    // What stays here is not sent.
    const bool own = r == spec_.ranks.rank;
    sizes.push_back(own ? 0 : outgoing[r].numel());
    if (own) incoming[r] = 0;
    size_out += sizes[r];
    size_in += incoming[r];
  }
  const auto whole = std::find(sizes.begin(), sizes.end(), size_out);
  const bool to_one = size_out > 0 && whole != sizes.end();
  const at::Tensor to = to_one ? outgoing[whole - sizes.begin()] : at::empty({size_out}, at::kByte);
  int64_t offset = 0;
  for (int r = 0; r < count && !to_one; ++r) {
    if (sizes[r] > 0) std::memcpy(to.data_ptr<uint8_t>() + offset, outgoing[r].data_ptr(), sizes[r]);
    offset += sizes[r];
  }
  const at::Tensor from = all_to_all(to, size_in, incoming, sizes);
  sent_ += size_out;
  std::vector<at::Tensor> parts;
  offset = 0;
  for (int r = 0; r < count; ++r) {
    parts.push_back(r == spec_.ranks.rank ? outgoing[r] : from.narrow(0, offset, incoming[r]));
    offset += incoming[r];
  }
  return parts;
}

}  // namespace circuit
