// Numbers and names as the page writes them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace circuit {

// &, <, >, " and ' as entities; bytes that are no UTF-8 become U+FFFD.
std::string escape_html(std::string_view text);

// "1,234,567".
std::string format_count(int64_t count);
// "2.59 M", "124 M", "7.62 B"; below 10,000 as format_count.
std::string format_large(int64_t count);
// Three significant digits with a true minus sign: "−3.41", "0.0123", "52.4", "1,234".
std::string format_value(double value);
// "23.1 %".
std::string format_percent(double share);
// First letter in upper case.
std::string sentence_case(std::string text);

}  // namespace circuit
