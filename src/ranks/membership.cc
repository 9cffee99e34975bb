#include "ranks/membership.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

namespace circuit {
namespace {

// Beats a rank may miss before it counts as silent.
constexpr int kMissed = 4;
constexpr const char* kLeavers = "leavers";  // how many have left

}  // namespace

Membership::Membership(KeyStore store, int rank, int count, int host, std::chrono::milliseconds beat)
    : store_(std::move(store)), rank_(rank), count_(count), host_(host), beat_(beat) {
  beats_ = std::thread([this] {
    constexpr std::chrono::milliseconds kNap{20};
    auto next = std::chrono::steady_clock::now();
    while (!ends_) {
      if (std::chrono::steady_clock::now() < next) {
        std::this_thread::sleep_for(kNap);
        continue;
      }
      next = std::chrono::steady_clock::now() + beat_;
      try {
        store_.add(key("beat", rank_), 1);
      } catch (const std::exception&) {
        return;  // the store is gone: who waits for it will say so
      }
    }
  });
}

Membership::~Membership() {
  ends_ = true;
  beats_.join();
}

std::string Membership::key(const char* name, int rank) const { return fmt::format("{}/{}", name, rank); }

void Membership::at(int64_t number, const std::string& what) {
  store_.set(key("at", rank_), fmt::format("{} {}", number, what));
}

void Membership::leave(const std::string& why) {
  if (left_) return;
  left_ = true;
  try {
    store_.add(kLeavers, 1);
    store_.set(key("left", rank_), why);  // the last word: who has heard it may take the store away
    told_ = true;
  } catch (const std::exception&) {
  }
}

bool Membership::has_other_left() { return store_.add(kLeavers, 0) > (told_ ? 1 : 0); }

bool Membership::wait_for_others(std::chrono::milliseconds most) {
  if (!told_) return false;
  const auto end = std::chrono::steady_clock::now() + most;
  try {
    for (int r = 0; r < count_; ++r) {
      while (r != rank_ && store_.get(key("left", r)).empty() && std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  } catch (const std::exception&) {
  }
  return true;
}

std::string Membership::who_left() {
  for (int r = 0; r < count_; ++r) {
    if (r == rank_) continue;
    const std::string why = store_.get(key("left", r));
    if (!why.empty()) return fmt::format("rank {} of {} stopped: {}", r, count_, why);
  }
  return {};
}

std::string Membership::who_is_silent() {
  const auto beats = [&] {
    std::vector<int64_t> all;
    for (int r = 0; r < count_; ++r) all.push_back(store_.add(key("beat", r), 0));
    return all;
  };
  const std::vector<int64_t> before = beats();
  std::this_thread::sleep_for(kMissed * beat_);
  const std::vector<int64_t> after = beats();
  std::vector<int> silent;
  for (int r = 0; r < count_; ++r) {
    if (r != rank_ && before[r] == after[r]) silent.push_back(r);
  }
  if (silent.empty()) return {};
  const std::string last = store_.get(key("at", silent[0]));
  const size_t space = last.find(' ');
  return fmt::format("rank{} {} of {} {} no sign of life (killed, stopped, or the machine is gone){}",
                     silent.size() > 1 ? "s" : "", fmt::join(silent, ", "), count_,
                     silent.size() > 1 ? "give" : "gives",
                     space == std::string::npos ? "" : fmt::format("; last seen at {}", last.substr(space + 1)));
}

std::string Membership::who_is_behind(int64_t number) {
  int64_t least = number;
  std::vector<int> behind;
  std::string where;
  for (int r = 0; r < count_; ++r) {
    const std::string at = store_.get(key("at", r));
    const int64_t reached = at.empty() ? 0 : std::stoll(at);
    if (reached > least || (reached == least && behind.empty())) continue;
    if (reached < least) behind.clear();
    least = reached;
    behind.push_back(r);
    where = at.empty() ? "its start" : at.substr(at.find(' ') + 1);
  }
  if (behind.empty()) return {};
  return fmt::format("rank{} {} of {} {} still at {}", behind.size() > 1 ? "s" : "", fmt::join(behind, ", "), count_,
                     behind.size() > 1 ? "are" : "is", where);
}

std::string Membership::explain(int64_t number, const std::string& what, const std::string& failure) {
  try {
    std::string who = who_left();
    if (who.empty()) who = who_is_silent();
    // Of two that find the first one dead, the slower one hears it from the faster one, or finds both gone.
    const std::string told = who_left();
    if (!told.empty()) who = told;
    if (who.empty()) who = who_is_behind(number);
    if (!who.empty()) return who;
  } catch (const std::exception&) {
    if (host_ >= 0 && host_ != rank_)
      return fmt::format("rank {} of {}, which holds the ranks' store, is gone", host_, count_);
    return "the launcher's store of the ranks is gone";
  }
  return fmt::format("{}: {}", what, failure.substr(0, failure.find('\n')));
}

}  // namespace circuit
