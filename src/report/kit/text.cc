#include "report/kit/text.h"

#include <fmt/core.h>

#include <cctype>
#include <cmath>

#include "io/json.h"

namespace circuit {

std::string escape_html(std::string_view text) {
  std::string valid(text);
  // The JSON writer's replacement of bad bytes is the one the page's data gets; use the same.
  if (!is_valid_utf8(text)) {
    const std::string quoted = Json(valid).dump(-1, ' ', false, Json::error_handler_t::replace);
    valid = Json::parse(quoted).get<std::string>();
  }
  std::string escaped;
  for (const char c : valid) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string format_count(int64_t count) {
  std::string digits = std::to_string(std::llabs(count));
  for (int64_t at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<size_t>(at), ",");
  }
  return (count < 0 ? "−" : "") + digits;
}

std::string format_large(int64_t count) {
  const auto value = static_cast<double>(count);
  if (count >= 1'000'000'000) return fmt::format("{:.3g} B", value / 1e9);
  if (count >= 999'500) return fmt::format("{:.3g} M", value / 1e6);
  if (count >= 10'000) return fmt::format("{:.3g} k", value / 1e3);
  return format_count(count);
}

std::string format_value(double value) {
  if (!std::isfinite(value)) return value > 0 ? "∞" : value < 0 ? "−∞" : "not a number";
  const double size = std::abs(value);
  const std::string sign = value < 0 ? "−" : "";
  if (size == 0) return "0";
  if (size >= 1e6 || size < 1e-4) return sign + fmt::format("{:.2e}", size);
  if (size >= 999.5) return sign + format_count(std::llround(size));
  const int decimals = std::max(0, 2 - static_cast<int>(std::floor(std::log10(size))));
  return sign + fmt::format("{:.{}f}", size, decimals);
}

std::string format_percent(double share) { return format_value(share * 100) + " %"; }

std::string sentence_case(std::string text) {
  if (!text.empty()) text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

}  // namespace circuit
