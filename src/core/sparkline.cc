#include "core/sparkline.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace circuit {
namespace {

constexpr std::array<const char*, 8> kHeights{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

std::vector<double> means(const std::vector<double>& values, size_t width) {
  std::vector<double> finite;
  for (const double v : values) {
    if (std::isfinite(v)) finite.push_back(v);
  }
  const size_t count = std::min(width, finite.size());
  std::vector<double> result;
  for (size_t i = 0; i < count; ++i) {
    const size_t begin = i * finite.size() / count;
    const size_t end = (i + 1) * finite.size() / count;
    double sum = 0;
    for (size_t k = begin; k < end; ++k) sum += finite[k];
    result.push_back(sum / static_cast<double>(end - begin));
  }
  return result;
}

}  // namespace

std::string sparkline(const std::vector<double>& values, size_t width) {
  const std::vector<double> points = means(values, width);
  if (points.empty()) return "";
  const auto [low, high] = std::minmax_element(points.begin(), points.end());
  const double range = *high - *low;
  std::string line;
  for (const double p : points) {
    const double share = range > 0 ? (p - *low) / range : 0.5;
    line += kHeights[std::min<size_t>(kHeights.size() - 1, static_cast<size_t>(share * kHeights.size()))];
  }
  return line;
}

}  // namespace circuit
