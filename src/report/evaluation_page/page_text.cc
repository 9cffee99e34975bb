#include "report/evaluation_page/page_text.h"

#include <fmt/core.h>

#include <cmath>
#include <filesystem>

#include "report/kit/elements.h"
#include "report/kit/text.h"

namespace circuit {

std::string percent(double share) {
  std::string text = fmt::format("{:.1f}", std::fabs(share) * 100);
  if (text.substr(text.size() - 2) == ".0") text.resize(text.size() - 2);
  return (share < 0 && text != "0" ? "−" : "") + text + "\u00A0%";
}

std::string size_share(double share) { return share > 0 && share < 0.0005 ? format_percent(share) : percent(share); }

std::string decimals(double value) {
  const std::string text = fmt::format("{:.3f}", std::fabs(value));
  return (value < 0 && text != "0.000" ? "−" : "") + text;
}

std::string range_of(const Estimate& e, std::string (*format)(double)) {
  return format(e.interval.low) + " to " + format(e.interval.high);
}

std::string with_range(const Estimate& e, std::string (*format)(double)) {
  return strong(format(e.value)) + " (" + range_of(e, format) + ")";
}

std::string own_name(const std::string& path) {
  const std::string name = std::filesystem::path(path).lexically_normal().filename().string();
  return name.empty() ? path : name;
}

std::string number_cell(const Json& value, const std::string& shown) { return cell_html(value.dump(), shown); }

}  // namespace circuit
