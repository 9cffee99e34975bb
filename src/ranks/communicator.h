// A rank's view of the processes that work with it. Every rank runs the same program, so each of these calls is made by
// all of them, in the same order.
#pragma once

#include <ATen/core/Tensor.h>
#include <circuit/api.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"

namespace circuit {

// A failure of the ranks' work together: every rank says it.
class CIRCUIT_API RanksError : public Error {
 public:
  using Error::Error;
};

class Communicator {
 public:
  Communicator() = default;
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  virtual int rank() const = 0;
  virtual int count() const = 0;
  // outgoing: for every rank, bytes [n] uint8 on the CPU, of any sizes. Gives what every rank sent here; what one sends
  // to oneself is given as it is. what: what is exchanged, the same on all ranks, for messages. Throws Error naming the
  // rank that is gone, silent, stopped with an error, or at another exchange.
  virtual std::vector<at::Tensor> exchange(const std::string& what, std::vector<at::Tensor> outgoing) = 0;
  // Bytes given to other ranks so far, without the sizes that go before each exchange.
  virtual int64_t sent_bytes() const = 0;

  bool leads() const { return rank() == 0; }
  bool is_alone() const { return count() == 1; }
};

// Of this process; alone unless a WorldScope says otherwise.
CIRCUIT_API Communicator& world();
// Makes a communicator the process's until it ends.
class CIRCUIT_API WorldScope {
 public:
  explicit WorldScope(Communicator& communicator);
  ~WorldScope();
  WorldScope(const WorldScope&) = delete;
  WorldScope& operator=(const WorldScope&) = delete;

 private:
  Communicator* before_;
};

// Of these, all throw what exchange() throws. Every rank's `own`, in their order.
std::vector<std::string> gather(Communicator& ranks, const std::string& what, const std::string& own);
std::vector<at::Tensor> gather(Communicator& ranks, const std::string& what, const at::Tensor& own);  // uint8 [n]
// The first rank's `own`.
std::string from_first(Communicator& ranks, const std::string& what, const std::string& own);
bool from_first(Communicator& ranks, const std::string& what, bool own);
// Whether any rank says so.
bool any_of(Communicator& ranks, const std::string& what, bool own);
// Throws Error, on all ranks, naming the first whose value is another than rank 0's.
void agree(Communicator& ranks, const std::string& what, const std::string& value);

// Tensors as bytes, on the CPU, and back: shapes, dtypes, and which are undefined. What is unpacked are views of the
// bytes and keep them; values begin at multiples of 64 bytes of the packed tensor.
// uint8 [n].
at::Tensor pack(const std::vector<at::Tensor>& tensors);
std::vector<at::Tensor> unpack(const at::Tensor& bytes);
at::Tensor bytes_of(const std::string& text);
std::string text_of(const at::Tensor& bytes);

}  // namespace circuit
