// Who of the ranks is alive: every rank raises a number of its own in a store that all see, says what it waits for,
// and, when it stops with an error, why. An error in a collective says only that somebody is missing; this says who.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

namespace circuit {

// What a rendezvous store does. Calls may come from two threads. Throws std::exception when the store is gone.
struct KeyStore {
  std::function<int64_t(const std::string& key, int64_t more)> add;  // the sum so far
  std::function<void(const std::string& key, const std::string& value)> set;
  std::function<std::string(const std::string& key)> get;  // empty: not there
};

class Membership {
 public:
  // host: the rank in whose process the store lives; −1: it has a process of its own.
  Membership(KeyStore store, int rank, int count, int host, std::chrono::milliseconds beat);
  ~Membership();
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  // This rank goes to its n-th exchange, of `what`. Throws std::exception when the store is gone.
  void at(int64_t number, const std::string& what);
  // Why this rank stops; the first time counts.
  void leave(const std::string& why);
  // Whether another one has: one look into the store. Throws std::exception when it is gone.
  bool has_other_left();
  // Waits until all have left, or for so long; not at all where they cannot hear of this one. Whether they have heard.
  bool wait_for_others(std::chrono::milliseconds most);
  // Never throws, as leave and wait_for_others do not. One line on who keeps exchange `number` from happening. failure:
  // what the transport says. Takes a few beats.
  std::string explain(int64_t number, const std::string& what, const std::string& failure);

 private:
  std::string key(const char* name, int rank) const;
  std::string who_left();
  std::string who_is_silent();
  std::string who_is_behind(int64_t number);

  KeyStore store_;
  const int rank_, count_, host_;
  const std::chrono::milliseconds beat_;
  std::atomic<bool> ends_{false};
  bool left_ = false;
  bool told_ = false;  // the others can read that
  std::thread beats_;
};

}  // namespace circuit
