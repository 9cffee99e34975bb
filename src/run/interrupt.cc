#include "run/interrupt.h"

#include <csignal>

namespace circuit {
namespace {

volatile std::sig_atomic_t interrupted = 0;
void on_interrupt(int) { interrupted = 1; }

}  // namespace

void note_interrupts() {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
}

bool was_interrupt_noted() { return interrupted != 0; }

void stop_if_interrupted(int64_t, int64_t) {
  if (interrupted != 0) throw Interrupted();
}

}  // namespace circuit
