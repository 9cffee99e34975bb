#include "core/watcher.h"

namespace circuit {
namespace {

thread_local Watcher* current = nullptr;

}  // namespace

WatchedThread::WatchedThread(Watcher& watcher) { current = &watcher; }
WatchedThread::~WatchedThread() { current = nullptr; }

Watcher* thread_watcher() { return current; }

}  // namespace circuit
