// The processes of a launcher, joined over torch's c10d and Gloo.
#pragma once

#include <circuit/api.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "core/ranks.h"
#include "ranks/communicator.h"

namespace circuit {

// Where the ranks meet: a TCP store that rank 0 serves (or torchrun's agent), or a file that all see.
struct Rendezvous {
  std::string host;  // empty: the file
  int port = 0;
  bool agent_serves = false;
  std::string file;
  std::string attempt = "0";  // torchrun's count of restarts
  std::chrono::milliseconds timeout{1800 * 1000};
};

// MASTER_ADDR and MASTER_PORT (29500); else CIRCUIT_RENDEZVOUS, a file; else, where the launcher says that all ranks
// are on this machine, a file of this job's in the folder for temporary files. CIRCUIT_RANKS_TIMEOUT: seconds that a
// rank may let the others wait. Throws Error naming the variable that is missing or wrong.
Rendezvous rendezvous_of(const std::function<const char*(const char*)>& variable);

class JoinedWorld : public Communicator {
 public:
  // Tells the others why this rank stops before its work is done.
  virtual void leave(const std::string& why) = 0;
  // Waits until all ranks have come to the end of their work.
  void finish() { gather(*this, "the end", std::string()); }
};

// Blocks until all ranks are there. Throws Error: a rank that does not come, a store that was used before, ranks of
// another version, a library built without process groups.
CIRCUIT_API std::unique_ptr<JoinedWorld> join_world(const Ranks& ranks, const Rendezvous& rendezvous);

}  // namespace circuit
