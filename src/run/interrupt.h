// Ctrl-C and SIGTERM: a run ends after the step it is in, an evaluation at once.
#pragma once

#include <cstdint>

#include "core/watcher.h"

namespace circuit {

// From here on both signals are noted instead of ending the program. Of a watched thread the watcher says when to stop,
// and signals stay the program's that it belongs to.
void note_interrupts();
bool was_interrupt_noted();
// As an EvaluationProgress. Throws Interrupted.
void stop_if_interrupted(int64_t done, int64_t total);

}  // namespace circuit
