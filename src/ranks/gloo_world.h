// The processes of a launcher, joined over Gloo.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "core/ranks.h"

namespace circuit {

class JoinedWorld;

// Where the ranks meet: a TCP store that rank 0 serves, or a file that all see.
struct Rendezvous {
  std::string host;  // empty: the file
  int port = 0;
  std::string file;
  std::string attempt = "0";  // torchrun's count of restarts
  std::chrono::milliseconds timeout{1800 * 1000};
};

// MASTER_ADDR and MASTER_PORT (29500; the port after it where torchrun's agent serves a store of its own there, which
// need not be of this libtorch's version); else CIRCUIT_RENDEZVOUS, a file; else, where the launcher says that all
// ranks are on this machine, a file of this job's in the folder for temporary files. CIRCUIT_RANKS_TIMEOUT: seconds
// that a rank may let the others wait. Throws Error naming the variable that is missing or wrong.
Rendezvous rendezvous_of(const std::function<const char*(const char*)>& variable);

// Blocks until all ranks are there. Throws Error: a rank that does not come, a store that was used before, ranks of
// another version, a library built without process groups.
std::shared_ptr<JoinedWorld> join_world(const Ranks& ranks, const Rendezvous& rendezvous);

}  // namespace circuit
