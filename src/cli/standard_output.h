// Results that did not arrive are a failure, as GNU tools have it.
#pragma once

namespace circuit {

// Flushes stdout for the last time. The exit code to end with: `code`, or 1 with a line on stderr where what was
// printed could not be written (a full disk, /dev/full).
int close_standard_output(int code);

}  // namespace circuit
