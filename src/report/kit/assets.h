// The files of the pages, held in the program (CMakeLists.txt says which and where from).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace circuit {

// A file of page/, a bundle or the notices by its own name, with a newline behind it. Every name must be one.
std::string_view asset(std::string_view name);

// Those files one after the other.
std::string assets(const std::vector<const char*>& names);

// What every page has: vega, vega-lite, vega-embed as UMD bundles, and their licences.
const std::string& chart_bundles();
std::string_view third_party_notices();

}  // namespace circuit
