#include "python/task.h"

#include <ATen/core/grad_mode.h>

#include <chrono>

#include "core/error.h"
#include "python/kept_blocks.h"

namespace circuit::python {

Task::Task(Work work, Stopping stopping)
    : stopping_(stopping), thread_([this, work = std::move(work)] { run(work); }) {}

Task::~Task() {
  stop();
  thread_.join();
}

void Task::run(const Work& work) {
  const at::NoGradGuard no_grad;  // a live model's tensors would have their uses recorded
  const KeptBlocks kept;
  const WatchedThread watched(*this);
  const auto fails = [&](const char* kind, const std::string& what) {
    say({{"event", "error"}, {"kind", kind}, {"message", what}});
  };
  try {
    Result result = work(*this);
    const std::lock_guard<std::mutex> lock(mutex_);
    result_ = std::move(result);
    events_.push_back({{"event", "done"}});
    news_.notify_all();
  } catch (const Interrupted& error) {
    fails("interrupted", error.what());
  } catch (const UsageError& error) {
    fails("usage", error.what());
  } catch (const Error& error) {
    fails("input", error.what());
  } catch (const std::bad_alloc&) {
    fails("memory", "[memory] out of memory. Use a smaller batch.");
  } catch (const std::exception& error) {
    // libtorch's errors end in a stack trace.
    const std::string what = error.what();
    fails("internal", "[internal] " + what.substr(0, what.find('\n')));
  }
}

void Task::say(Json event) {
  const std::lock_guard<std::mutex> lock(mutex_);
  events_.push_back(std::move(event));
  news_.notify_all();
}

std::string Task::poll(int64_t milliseconds) {
  std::unique_lock<std::mutex> lock(mutex_);
  news_.wait_for(lock, std::chrono::milliseconds(milliseconds), [this] { return !events_.empty(); });
  Json all = Json::array();
  for (Json& event : events_) all.push_back(std::move(event));
  events_.clear();
  return all.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void Task::go_on() {
  const std::lock_guard<std::mutex> lock(mutex_);
  paused_ = false;
  answer_.notify_all();
}

void Task::stop() {
  const std::lock_guard<std::mutex> lock(mutex_);
  stopped_ = true;
  paused_ = false;
  answer_.notify_all();
}

std::string Task::json() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return result_.json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

c10::Dict<std::string, at::Tensor> Task::tensors() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  c10::Dict<std::string, at::Tensor> all;
  for (const auto& [name, tensor] : result_.tensors) all.insert(name, tensor);
  return all;
}

void Task::pause_at(Json event) {
  std::unique_lock<std::mutex> lock(mutex_);
  events_.push_back(std::move(event));
  paused_ = !stopped_;
  news_.notify_all();
  answer_.wait(lock, [this] { return !paused_; });
}

void Task::progress(const std::string& title, int64_t done, int64_t total, const std::string& detail) {
  std::unique_lock<std::mutex> lock(mutex_);
  // Only where the work has come to, not the way.
  if (!events_.empty() && events_.back()["event"] == "progress") events_.pop_back();
  events_.push_back({{"event", "progress"}, {"title", title}, {"done", done}, {"total", total}, {"detail", detail}});
  news_.notify_all();
  if (stopped_ && stopping_ == Stopping::kAtOnce) throw Interrupted();
}

void Task::message(const std::string& text) { say({{"event", "message"}, {"text", text}}); }
void Task::warning(const std::string& text) { say({{"event", "warning"}, {"text", text}}); }

bool Task::wants_stop() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return stopped_;
}

}  // namespace circuit::python
