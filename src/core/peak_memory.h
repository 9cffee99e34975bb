// The memory that the process has held.
#pragma once

#include <cstdint>

namespace circuit {

// From here on the peak is counted anew, where the system lets a process do so.
void reset_peak_memory();
// Bytes resident at most since then, or since the process began.
int64_t peak_memory();

}  // namespace circuit
