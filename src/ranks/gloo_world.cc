#include "ranks/gloo_world.h"

#include <circuit/version.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "core/error.h"
#include "ranks/joined_world.h"

namespace circuit {
namespace {

using std::chrono::milliseconds;

// The address of this machine from which `host` is reached; empty: none.
std::string address_towards(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return {};
  std::string address;
  const int socket_id = socket(found->ai_family, found->ai_socktype, 0);
  sockaddr_in own{};
  socklen_t size = sizeof own;
  // Sends nothing: a datagram socket that is connected knows its own end.
  if (socket_id >= 0 && connect(socket_id, found->ai_addr, found->ai_addrlen) == 0 &&
      getsockname(socket_id, reinterpret_cast<sockaddr*>(&own), &size) == 0) {
    char text[INET_ADDRSTRLEN];
    if (inet_ntop(AF_INET, &own.sin_addr, text, sizeof text) != nullptr) address = text;
  }
  if (socket_id >= 0) close(socket_id);
  freeaddrinfo(found);
  return address;
}

std::shared_ptr<gloo::transport::Device> device_for(const Rendezvous& r) {
  if (const char* interface = std::getenv("GLOO_SOCKET_IFNAME"))
    return c10d::ProcessGroupGloo::createDeviceForInterface(interface);
  const std::string address = r.host.empty() ? "127.0.0.1" : address_towards(r.host, r.port);
  return address.empty() ? c10d::ProcessGroupGloo::createDefaultDevice()
                         : c10d::ProcessGroupGloo::createDeviceForHostname(address);
}

class GlooWorld : public JoinedWorld {
 public:
  GlooWorld(const Spec& spec, const Rendezvous& r)
      : JoinedWorld(spec,
                    [&]() -> ProcessGroupPointer {
                      const auto options = c10d::ProcessGroupGloo::Options::create(r.timeout);
                      options->devices.push_back(device_for(r));
                      options->threads = 2;
                      return c10::make_intrusive<c10d::ProcessGroupGloo>(spec.store, spec.ranks.rank, spec.ranks.count,
                                                                         options);
                    }),
        rendezvous_(r) {}

  ~GlooWorld() override {
    leave("its work is done");
    if (rank() != 0) return;
    // Who serves the store stays until the others have read what they need.
    const bool heard = members_.wait_for_others(std::min<milliseconds>(rendezvous_.timeout, milliseconds(10'000)));
    // Who has not heard looks for it there.
    if (rendezvous_.file.empty() || !heard) return;
    std::error_code ignored;
    std::filesystem::remove(rendezvous_.file, ignored);
  }

 private:
  const Rendezvous rendezvous_;
};

StorePointer open_store(const Ranks& ranks, const Rendezvous& r) {
  StorePointer store;
  if (r.host.empty()) {
    store = c10::make_intrusive<c10d::FileStore>(r.file, ranks.count);
    // Never closed: a FileStore that is, counts itself out in the file, and makes it anew where the first rank has just
    // removed it.
    StorePointer(store).release();
  } else {
    c10d::TCPStoreOptions options;
    options.port = static_cast<uint16_t>(r.port);
    options.isServer = ranks.rank == 0;
    options.numWorkers = ranks.count;
    options.waitWorkers = false;
    options.timeout = r.timeout;
    store = c10::make_intrusive<c10d::TCPStore>(r.host, options);
  }
  store->setTimeout(r.timeout);
  return c10::make_intrusive<c10d::PrefixStore>("circuit/" + r.attempt, store);
}

std::string meeting_point(const Rendezvous& r) {
  return r.host.empty() ? r.file : fmt::format("{}:{}", r.host, r.port);
}

// Each rank is there once; a name in the store that was taken before is another job's.
void say_hello(const Ranks& ranks, const Rendezvous& r, c10d::Store& store) {
  const int64_t seen = store.add("hello/" + std::to_string(ranks.rank), 1);
  if (seen == 1) return;
  fail(meeting_point(r), "rank {} of a job has met here before. {}", ranks.rank,
       r.host.empty() ? "Remove the file, or name another one." : "Does another job use this port?");
}

void wait_for_all(const Ranks& ranks, const Rendezvous& r, c10d::Store& store) {
  const auto end = std::chrono::steady_clock::now() + r.timeout;
  for (int other = 0; other < ranks.count; ++other) {
    while (!store.check({"hello/" + std::to_string(other)})) {
      if (std::chrono::steady_clock::now() > end) {
        fail("ranks", "rank {} of {} did not come to {} in {} s.", other, ranks.count, meeting_point(r),
             std::chrono::duration_cast<std::chrono::seconds>(r.timeout).count());
      }
      std::this_thread::sleep_for(milliseconds(10));
    }
  }
}

}  // namespace

std::shared_ptr<JoinedWorld> join_world(const Ranks& ranks, const Rendezvous& r) {
  StorePointer store;
  try {
    store = open_store(ranks, r);
    say_hello(ranks, r, *store);
    wait_for_all(ranks, r, *store);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    const std::string what = error.what();
    fail(meeting_point(r), "rank {} of {} cannot meet the others: {}.", ranks.rank, ranks.count,
         what.substr(0, what.find('\n')));
  }
  JoinedWorld::Spec spec{ranks, store, r.host.empty() ? -1 : 0, r.timeout};
  auto joined = std::make_shared<GlooWorld>(spec, r);
  agree(*joined, "version", CIRCUIT_VERSION);
  return joined;
}

}  // namespace circuit
