// Plain-text tables for the terminal.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace circuit {

// Columns aligned, the first to the left and the others to the right; a line per row, no trailing spaces.
std::string format_table(const std::vector<std::vector<std::string>>& rows);

// 124439808 → "124,439,808"
std::string with_commas(int64_t value);

}  // namespace circuit
