// How a message calls a setting. A library knows its name alone ("max_length"); the command line has it written as a
// flag, Python as a keyword argument.
#pragma once

#include <circuit/api.h>

#include <string>

namespace circuit {

// The name as the program in use writes it.
CIRCUIT_API std::string setting(const std::string& name);

// Until this is called, names stand as they are. For a program's start: not while other threads work.
CIRCUIT_API void write_settings_as(std::string (*write)(const std::string& name));

}  // namespace circuit
