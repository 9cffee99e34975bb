// Ctrl-C and SIGTERM: a run ends after the step it is in, an evaluation at once.
#pragma once

#include <cstdint>
#include <exception>

namespace circuit {

// Of an evaluation, which may take as long as many steps.
struct Interrupted : std::exception {};

// From here on both signals are noted instead of ending the program.
void note_interrupts();
bool was_interrupt_noted();
// As an EvaluationProgress. Throws Interrupted.
void stop_if_interrupted(int64_t done, int64_t total);

}  // namespace circuit
