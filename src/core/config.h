// Settings read from TOML and from assignments, and printed.
#pragma once

#include <circuit/api.h>

#include <string>

#include "core/setting_name.h"
#include "core/settings.h"

namespace circuit {

// Reads a TOML file into the settings. Throws Error naming file, line and key: a syntax error, an unknown key
// (with the nearest known one), a value of another type, out of range or not among the choices.
CIRCUIT_API void read_config(const std::string& path, const Settings& settings);
// The same for TOML text at hand; `place` stands for the path.
void parse_config(const std::string& text, const std::string& place, const Settings& settings);

// "key=value" from the command line; strings need no quotes. Throws Error naming option and assignment.
CIRCUIT_API void set_config(const std::string& assignment, const Settings& settings,
                            const std::string& option = setting("set"));

// A setting's value: as TOML writes it, or as a person does (text without quotes, lists with commas only).
std::string toml_value(const Setting& setting);
std::string plain_value(const Setting& setting);

// The settings as TOML, every key with its value: reading it back gives the same configuration.
std::string print_config(const Settings& settings);

// Every key with its default, type and meaning, for --help-config.
std::string help_config(const Settings& settings);

// "0 to 1", "1 or more", "above 0, at most 1000000"; empty: any.
std::string range_text(const Setting& setting);

// The table of docs/formats.md: key, default, what it may be, meaning, since when.
std::string markdown_config(const Settings& settings);

}  // namespace circuit
