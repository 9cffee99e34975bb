#include "ranks/gloo_world.h"

#include <circuit/version.h>

#include <charconv>
#include <cstring>
#include <filesystem>

#include "core/error.h"
#include "ranks/membership.h"

#ifdef CIRCUIT_GLOO
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif

namespace circuit {
namespace {

int number_of(const char* name, const char* text, int least, int most) {
  int value = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, value);
  if (error != std::errc() || stop != end || value < least || value > most)
    fail(name, "found '{}' in the environment, expected a whole number from {} to {}.", text, least, most);
  return value;
}

// The name of this job where its launcher says that one machine holds all of its ranks; else empty.
std::string job_on_one_machine(const std::function<const char*(const char*)>& variable) {
  const auto value = [&](const char* name) { return std::string(variable(name) == nullptr ? "" : variable(name)); };
  const std::string all = value("OMPI_COMM_WORLD_SIZE");
  if (!all.empty() && all == value("OMPI_COMM_WORLD_LOCAL_SIZE")) {
    for (const char* job : {"PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid"}) {
      if (!value(job).empty()) return value(job);
    }
  }
  if (!value("SLURM_JOB_ID").empty() && value("SLURM_STEP_NUM_NODES") == "1")
    return value("SLURM_JOB_ID") + "." + value("SLURM_STEP_ID");
  return {};
}

}  // namespace

Rendezvous rendezvous_of(const std::function<const char*(const char*)>& variable) {
  constexpr int kDefaultPort = 29500;
  constexpr int kPorts = 65535;
  constexpr int kDay = 24 * 3600;
  Rendezvous r;
  if (const char* text = variable("CIRCUIT_RANKS_TIMEOUT"))
    r.timeout = std::chrono::seconds(number_of("CIRCUIT_RANKS_TIMEOUT", text, 1, kDay));
  if (const char* restarts = variable("TORCHELASTIC_RESTART_COUNT")) r.attempt = restarts;
  if (const char* host = variable("MASTER_ADDR")) {
    r.host = host;
    const char* port = variable("MASTER_PORT");
    r.port = port == nullptr ? kDefaultPort : number_of("MASTER_PORT", port, 1, kPorts);
    r.agent_serves = variable("TORCHELASTIC_USE_AGENT_STORE") != nullptr &&
                     std::string(variable("TORCHELASTIC_USE_AGENT_STORE")) == "True";
    return r;
  }
  if (const char* file = variable("CIRCUIT_RENDEZVOUS")) {
    r.file = file;
    return r;
  }
  const std::string job = job_on_one_machine(variable);
  if (job.empty()) {
    fail(
        "MASTER_ADDR",
        "is not in the environment, so the ranks do not know where to meet. Set it and MASTER_PORT (torchrun does), or "
        "CIRCUIT_RENDEZVOUS to a file that all ranks see.");
  }
  const char* folder = variable("TMPDIR");
  r.file = std::string(folder == nullptr ? "/tmp" : folder) + "/circuit-ranks-" + job;
  return r;
}

#ifdef CIRCUIT_GLOO
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

std::vector<uint8_t> raw(const std::string& text) { return {text.begin(), text.end()}; }

KeyStore key_store(const c10::intrusive_ptr<c10d::Store>& store) {
  return {[store](const std::string& key, int64_t more) { return store->add(key, more); },
          [store](const std::string& key, const std::string& value) { store->set(key, raw(value)); },
          [store](const std::string& key) {
            if (!store->check({key})) return std::string();
            const std::vector<uint8_t> bytes = store->get(key);
            return std::string(bytes.begin(), bytes.end());
          }};
}

int64_t hash_of(const std::string& text) {
  // FNV-1a: the same on every machine.
  uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return static_cast<int64_t>(hash);
}

class GlooWorld : public JoinedWorld {
 public:
  GlooWorld(const Ranks& ranks, const Rendezvous& r, c10::intrusive_ptr<c10d::Store> store)
      : ranks_(ranks), rendezvous_(r), store_(std::move(store)) {
    const int host = r.host.empty() || r.agent_serves ? -1 : 0;
    // Two beats must fit into what a rank may let the others wait.
    const milliseconds beat = std::clamp(r.timeout / 8, milliseconds(50), milliseconds(1000));
    members_ = std::make_unique<Membership>(key_store(store_), ranks.rank, ranks.count, host, beat);
    const auto options = c10d::ProcessGroupGloo::Options::create(r.timeout);
    options->devices.push_back(device_for(r));
    options->threads = 2;
    try {
      group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store_, ranks.rank, ranks.count, options);
    } catch (const std::exception& error) {
      stop(members_->explain(0, "joining", error.what()));
    }
  }

  ~GlooWorld() override {
    members_->leave("its work is done");
    // Who serves the store stays until the others have read what they need.
    const bool serves = !rendezvous_.agent_serves && ranks_.rank == 0;
    if (serves) members_->wait_for_others(std::min<milliseconds>(rendezvous_.timeout, milliseconds(10'000)));
    if (serves && !rendezvous_.file.empty()) {
      std::error_code ignored;
      std::filesystem::remove(rendezvous_.file, ignored);
    }
  }

  int rank() const override { return ranks_.rank; }
  int count() const override { return ranks_.count; }
  int64_t sent_bytes() const override { return sent_; }
  void leave(const std::string& why) override { members_->leave(why); }

  std::vector<at::Tensor> exchange(const std::string& what, std::vector<at::Tensor> outgoing) override {
    ++number_;
    try {
      members_->at(number_, what);
      const std::vector<int64_t> incoming = sizes_from_others(what, outgoing);
      return payload(outgoing, incoming);
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      stop(members_->explain(number_, what, error.what()));
    }
  }

 private:
  [[noreturn]] void stop(const std::string& who) {
    members_->leave(who);
    throw RanksError(
        fmt::format("[ranks] {}. Seen by rank {}. Start all ranks again; a run goes on from its last checkpoint.", who,
                    ranks_.rank));
  }

  // Bytes that come from each rank. All must be at the same exchange.
  std::vector<int64_t> sizes_from_others(const std::string& what, const std::vector<at::Tensor>& outgoing) {
    constexpr int64_t kFields = 3;
    std::vector<int64_t> own;
    for (const at::Tensor& t : outgoing) own.insert(own.end(), {t.numel(), number_, hash_of(what)});
    at::Tensor to = at::tensor(own, at::kLong);
    at::Tensor from = at::empty_like(to);
    std::vector<int64_t> even;
    group_->alltoall_base(from, to, even, even)->wait();
    std::vector<int64_t> sizes;
    for (int r = 0; r < ranks_.count; ++r) {
      const auto* fields = from.data_ptr<int64_t>() + r * kFields;
      sizes.push_back(fields[0]);
      if (fields[1] == number_ && fields[2] == hash_of(what)) continue;
      const std::string other = key_store(store_).get(fmt::format("at/{}", r));
      const std::string why = fmt::format("ranks {} and {} are not at the same work: '{}' and '{}'", ranks_.rank, r,
                                          what, other.substr(std::min(other.size(), other.find(' ') + 1)));
      members_->leave(why);
      fail("ranks", "{}. Do all have the same arguments and files?", why);
    }
    return sizes;
  }

  std::vector<at::Tensor> payload(const std::vector<at::Tensor>& outgoing, std::vector<int64_t> incoming) {
    std::vector<int64_t> sizes;
    std::vector<at::Tensor> parts;
    int64_t size_out = 0;
    int64_t size_in = 0;
    for (int r = 0; r < ranks_.count; ++r) {
      // What stays here is not sent.
      sizes.push_back(r == ranks_.rank ? 0 : outgoing[r].numel());
      if (r == ranks_.rank) incoming[r] = 0;
      size_out += sizes[r];
      size_in += incoming[r];
    }
    at::Tensor to = at::empty({size_out}, at::kByte);
    int64_t offset = 0;
    for (int r = 0; r < ranks_.count; ++r) {
      if (sizes[r] > 0) std::memcpy(to.data_ptr<uint8_t>() + offset, outgoing[r].data_ptr(), sizes[r]);
      offset += sizes[r];
    }
    at::Tensor from = at::empty({size_in}, at::kByte);
    std::vector<int64_t> used_up = incoming;  // by the call
    group_->alltoall_base(from, to, used_up, sizes)->wait();
    sent_ += size_out;
    offset = 0;
    for (int r = 0; r < ranks_.count; ++r) {
      parts.push_back(r == ranks_.rank ? outgoing[r] : from.narrow(0, offset, incoming[r]));
      offset += incoming[r];
    }
    return parts;
  }

  const Ranks ranks_;
  const Rendezvous rendezvous_;
  c10::intrusive_ptr<c10d::Store> store_;
  std::unique_ptr<Membership> members_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
  int64_t number_ = 0;
  int64_t sent_ = 0;
};

c10::intrusive_ptr<c10d::Store> open_store(const Ranks& ranks, const Rendezvous& r) {
  c10::intrusive_ptr<c10d::Store> store;
  if (r.host.empty()) {
    store = c10::make_intrusive<c10d::FileStore>(r.file, ranks.count);
  } else {
    c10d::TCPStoreOptions options;
    options.port = static_cast<uint16_t>(r.port);
    options.isServer = ranks.rank == 0 && !r.agent_serves;
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

std::unique_ptr<JoinedWorld> join_world(const Ranks& ranks, const Rendezvous& r) {
  c10::intrusive_ptr<c10d::Store> store;
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
  auto joined = std::make_unique<GlooWorld>(ranks, r, store);
  agree(*joined, "version", CIRCUIT_VERSION);
  return joined;
}
#else
std::unique_ptr<JoinedWorld> join_world(const Ranks& ranks, const Rendezvous&) {
  fail("ranks", "this build has no process groups, so its {} ranks cannot work together. Use one built with Gloo.",
       ranks.count);
}
#endif

}  // namespace circuit
