#include "core/grid.h"

#include <fmt/core.h>

#include "core/error.h"
#include "core/setting_name.h"

namespace circuit {
namespace {

// 'a,b' and "a,b" are the value a,b: what a shell leaves of nested quotes.
std::string unquoted(const std::string& text) {
  const bool quoted =
      text.size() >= 2 && (text[0] == '\'' || text[0] == '"') && text.find(text[0], 1) == text.size() - 1;
  return quoted ? text.substr(1, text.size() - 2) : text;
}

}  // namespace

GridAxis parse_grid_axis(const std::string& text) {
  const std::string place = "[" + setting("grid") + " " + text + "] ";
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) throw UsageError(place + "expected key=value,value,…");
  GridAxis axis{text.substr(0, equals), {}};
  std::string value;
  char quote = 0;
  int brackets = 0;
  const auto take = [&] {
    const std::string whole = unquoted(value);
    if (whole.empty()) throw UsageError(place + "a value is empty, expected key=value,value,…");
    axis.values.push_back(whole);
    value.clear();
  };
  for (size_t i = equals + 1; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == '[') {
      ++brackets;
    } else if (c == ']') {
      if (--brackets < 0) break;
    } else if (c == ',' && brackets == 0) {
      take();
      continue;
    }
    value += c;
  }
  if (quote != 0) throw UsageError(fmt::format("{}a {} is not closed.", place, quote));
  if (brackets != 0) throw UsageError(place + "brackets do not match.");
  take();
  return axis;
}

std::vector<std::vector<size_t>> grid_points(const std::vector<size_t>& sizes) {
  std::vector<std::vector<size_t>> points{{}};
  for (const size_t size : sizes) {
    std::vector<std::vector<size_t>> longer;
    for (const std::vector<size_t>& point : points) {
      for (size_t i = 0; i < size; ++i) {
        longer.push_back(point);
        longer.back().push_back(i);
      }
    }
    points = std::move(longer);
  }
  return points;
}

std::string file_name_part(const std::string& text) {
  std::string name;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                       c == '+' || c == '-' || c == '_';
    if (plain) {
      name += c;
    } else {
      name += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return name;
}

}  // namespace circuit
