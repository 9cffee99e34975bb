// Declared settings for other programs.
#pragma once

#include "core/settings.h"
#include "io/json.h"

namespace circuit {

// An array: {"key", "type", "default", "choices" | "low", "high", "low_excluded", "high_excluded", "unit", "help",
// "since", "changes_result"} a setting.
Json settings_json(const Settings& settings);

}  // namespace circuit
