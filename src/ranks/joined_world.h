// Processes over torch's c10d: a collective of a process group, and a store that says who is alive.
#pragma once

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <torch/csrc/distributed/c10d/Work.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/ranks.h"
#include "ranks/communicator.h"
#include "ranks/membership.h"

namespace circuit {

using ProcessGroupPointer = c10::intrusive_ptr<c10d::ProcessGroup>;
using StorePointer = c10::intrusive_ptr<c10d::Store>;

class JoinedWorld : public Communicator {
 public:
  struct Spec {
    Ranks ranks;
    StorePointer store;  // of this world alone
    int host = -1;       // the rank whose process serves the store; −1: none of theirs
    std::chrono::milliseconds timeout{};
    at::Device device = at::kCPU;  // of the tensors that the group carries
  };
  // group: makes the process group, or gives it. Throws RanksError naming who does not come.
  JoinedWorld(Spec spec, const std::function<ProcessGroupPointer()>& group);

  int rank() const override { return spec_.ranks.rank; }
  int count() const override { return spec_.ranks.count; }
  int64_t sent_bytes() const override { return sent_; }
  std::vector<at::Tensor> exchange(const std::string& what, std::vector<at::Tensor> outgoing) override;

  // Tells the others why this rank stops before its work is done.
  void leave(const std::string& why) { members_.leave(why); }
  // Waits until all ranks have come to the end of their work.
  void finish() { gather(*this, "the end", std::string()); }

 protected:
  const Spec spec_;
  Membership members_;

 private:
  [[noreturn]] void stop(const std::string& who);
  std::vector<int64_t> sizes_from_others(const std::string& what, const std::vector<at::Tensor>& outgoing);
  std::vector<at::Tensor> payload(const std::vector<at::Tensor>& outgoing, std::vector<int64_t> incoming);
  void wait_for(c10d::Work& work);
  at::Tensor all_to_all(const at::Tensor& to, int64_t size, std::vector<int64_t> from_each,
                        std::vector<int64_t> to_each);

  ProcessGroupPointer group_;
  int64_t number_ = 0;
  int64_t sent_ = 0;
};

KeyStore key_store(const StorePointer& store);

}  // namespace circuit
