// Messages for people, on stderr; stdout carries results only.
#pragma once

#include <circuit/api.h>
#include <fmt/core.h>

#include <string>
#include <utility>

namespace circuit {

// Sets whether log_info prints (--quiet turns it off). Warnings and errors always print.
CIRCUIT_API void set_quiet(bool quiet);
bool is_quiet();
// Nothing is printed from here on, warnings neither: for a process whose messages another one prints as well.
void set_silent();

// Also appends every message, with the time, to the file at `path` (a run's log.txt). Empty: stop.
void set_log_file(const std::string& path);

void log_line(const std::string& message);   // information; silenced by --quiet
void warn_line(const std::string& message);  // printed as "warning: …"

template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  warn_line(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace circuit
