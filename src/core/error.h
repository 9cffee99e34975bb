// The one exception type. Thrown anywhere, caught in main only, printed as one line on stderr.
#pragma once

#include <circuit/api.h>
#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace circuit {

// A failure that is the input's or the machine's. what() reads
//   "[place] subject: found, expected. Hint."
class CIRCUIT_API Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
};

// Wrong use of the command line: exit code 2 instead of 1.
class CIRCUIT_API UsageError : public Error {
 public:
  using Error::Error;
};

// Throws Error("[place] message"). place: the command, stage or file the reader should look at
// (file:line where there is one); the message says what was found, what was expected, what to do.
template <class... Args>
[[noreturn]] void fail(const std::string& place, fmt::format_string<Args...> format, Args&&... args) {
  throw Error("[" + place + "] " + fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace circuit
