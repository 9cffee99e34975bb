// Grids of configuration values, as a sweep takes them: "key=a,b,c" and the product of several.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace circuit {

struct GridAxis {
  std::string key;
  std::vector<std::string> values;  // at least one
};

// "selection.n=50,100" → the key and its values. A comma inside '…', "…" or […] does not part two values; quotes
// around a whole value are taken off. Throws UsageError: no "=", no key, an empty value, a quote or bracket left open.
GridAxis parse_grid_axis(const std::string& text);

// Every combination of one index below each size, the last changing fastest; one empty combination for no sizes.
std::vector<std::vector<size_t>> grid_points(const std::vector<size_t>& sizes);

// Text as part of a file name: letters, digits and .+-_ stay, the rest becomes %XX. Different texts give different
// names.
std::string file_name_part(const std::string& text);

}  // namespace circuit
