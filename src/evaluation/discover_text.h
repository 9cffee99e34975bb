// What a discovery found, for people and for machines.
#pragma once

#include <string>

#include "evaluation/discover.h"
#include "io/json.h"

namespace circuit {

Json discovered_json(const Discovered& found);
// metric: its name.
std::string discovered_text(const std::string& metric, const Discovered& found);
// The strongest MLP channels, where they were scored.
std::string channels_text(const Discovered& found);

}  // namespace circuit
