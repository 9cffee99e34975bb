// Work in a thread of its own, which the thread that began it asks for news. Python holds no lock while it asks, so
// that its own threads, its progress bars and Ctrl-C go on.
#pragma once

#include <torch/custom_class.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "core/watcher.h"
#include "io/json.h"

namespace circuit::python {

// What work comes to.
struct Result {
  Json json;
  std::map<std::string, at::Tensor> tensors;
};

// polite: it is a run, which ends behind the step it is in; other work ends at its next progress.
enum class Stopping { kAtOnce, kPolite };

class Task : public torch::CustomClassHolder, public Watcher {
 public:
  using Work = std::function<Result(Task&)>;
  Task(Work work, Stopping stopping);
  ~Task() override;

  // The news since the last call, a JSON array of {"event": "progress" | "message" | "warning" | "step" | "done" |
  // "error", …}; waits for one at most so long. After "step" the work waits for go_on, after "done" there is a result.
  // "error" has "kind": usage, input, memory, interrupted or internal, and "message".
  std::string poll(int64_t milliseconds);
  void go_on();
  void stop();
  // Of work that is done: once.
  std::string json() const;
  c10::Dict<std::string, at::Tensor> tensors() const;

  // In the thread of the work: says an event and waits for go_on.
  void pause_at(Json event);

  void progress(const std::string& title, int64_t done, int64_t total, const std::string& detail) override;
  void message(const std::string& text) override;
  void warning(const std::string& text) override;
  bool wants_stop() const override;

 private:
  void run(const Work& work);
  void say(Json event);

  mutable std::mutex mutex_;
  std::condition_variable news_, answer_;
  std::deque<Json> events_;
  Result result_;
  const Stopping stopping_;
  bool stopped_ = false;
  bool paused_ = false;
  std::thread thread_;
};

}  // namespace circuit::python
