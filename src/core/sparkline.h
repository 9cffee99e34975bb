// A curve in one line of a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace circuit {

// Eight heights, ▁ to █, between the smallest and the largest; `width` characters at most, each the mean of
// its share of the values. Values that are not finite are left out; a constant is a line in the middle.
std::string sparkline(const std::vector<double>& values, size_t width);

}  // namespace circuit
