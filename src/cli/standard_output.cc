#include "cli/standard_output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>

namespace circuit {

int close_standard_output(int code) {
  // --help and --version go through the stream.
  std::cout.flush();
  const bool printed = std::cout.good() && std::ferror(stdout) == 0;
  // A copy is closed for what a file system only says at a close; the exit of the process still flushes the stream
  // itself.
  const bool arrived = std::fflush(stdout) == 0;
  const int copy = arrived ? dup(fileno(stdout)) : -1;
  const bool closed = copy < 0 || close(copy) == 0;
  if (printed && arrived && closed) return code;
  const int reason = errno;  // of the write that failed, be it an earlier one: none went well since
  fmt::print(stderr, "[stdout] cannot write the result: {}.\n",
             reason == 0 ? "the device is full, or it is closed" : std::strerror(reason));
  return code == 0 ? 1 : code;
}

}  // namespace circuit
