#include "run/interrupt.h"

#include <csignal>

#include "ranks/communicator.h"

namespace circuit {
namespace {

volatile std::sig_atomic_t interrupted = 0;
void on_interrupt(int) { interrupted = 1; }

}  // namespace

void note_interrupts() {
  if (thread_watcher() != nullptr) return;
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
}

bool was_interrupt_noted() {
  const Watcher* watcher = thread_watcher();
  return watcher != nullptr ? watcher->wants_stop() : interrupted != 0;
}

void stop_if_interrupted(int64_t, int64_t) {
  // Of several ranks none may leave the others in the middle: they stop together, after a step.
  if (world().is_alone() && was_interrupt_noted()) throw Interrupted();
}

}  // namespace circuit
