// Who watches the work of a thread in place of the terminal: a notebook, a program that shows progress itself.
#pragma once

#include <circuit/api.h>

#include <cstdint>
#include <exception>
#include <string>

namespace circuit {

// Ends a thread's work between two steps of it. Not an Error: nothing is wrong with the input.
struct CIRCUIT_API Interrupted : std::exception {
  const char* what() const noexcept override { return "interrupted"; }
};

class Watcher {
 public:
  virtual ~Watcher() = default;
  // As Progress::update; total 0: not known. May throw Interrupted, except in a run, which asks wants_stop().
  virtual void progress(const std::string& title, int64_t done, int64_t total, const std::string& detail) = 0;
  virtual void message(const std::string& text) = 0;
  virtual void warning(const std::string& text) = 0;
  // Whether a run should end behind the step it is in.
  virtual bool wants_stop() const = 0;
};

// While it lives, what the calling thread says goes to `watcher` instead of stderr.
class CIRCUIT_API WatchedThread {
 public:
  explicit WatchedThread(Watcher& watcher);
  ~WatchedThread();
  WatchedThread(const WatchedThread&) = delete;
  WatchedThread& operator=(const WatchedThread&) = delete;
};

// Of the calling thread; null: the terminal.
Watcher* thread_watcher();

}  // namespace circuit
