// Command-line options from declared settings.
#pragma once

#include <string>

#include "core/settings.h"

namespace CLI {
class App;
}

namespace circuit {

// How messages write a setting: "ig_steps" → "--ig-steps", "out" → "-o".
std::string flag_of(const std::string& setting);

// An option for every setting, called by the last part of its key; the values live where the settings are bound.
void add_settings(CLI::App& command, const Settings& settings);

}  // namespace circuit
