#include "dynamics/trends.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "core/rng.h"

namespace circuit {
namespace {

constexpr int64_t kPoints = 60;

std::vector<double> steps() {
  std::vector<double> x;
  for (int64_t t = 0; t < kPoints; ++t) x.push_back(10.0 * static_cast<double>(t));
  return x;
}

// Random walks, AR(1) series and white noise, a third each: nothing rises or falls.
float wandering(int64_t series, float before, Rng& rng) {
  const double persistence = series % 3 == 0 ? 1.0 : series % 3 == 1 ? 0.8 : 0.0;
  return static_cast<float>(persistence * before + rng.normal());
}

struct Planted {
  std::vector<float> values;
  std::vector<int> direction;
};

// Lines in noise of the same size among wandering series.
Planted planted(int64_t count, int64_t lines, uint64_t seed) {
  Rng rng(seed);
  Planted data;
  data.direction.assign(count, 0);
  for (int64_t s = 0; s < lines; ++s) data.direction[s] = s % 2 == 0 ? 1 : -1;
  std::vector<float> before(count);
  for (int64_t t = 0; t < kPoints; ++t) {
    for (int64_t s = 0; s < count; ++s) {
      const double along = static_cast<double>(t) / kPoints - 0.5;
      before[s] =
          s < lines ? static_cast<float>(6 * data.direction[s] * along + rng.normal()) : wandering(s, before[s], rng);
      data.values.push_back(before[s]);
    }
  }
  return data;
}

TEST(Trends, SlopeAndCorrelationAreLeastSquares) {
  const SurrogateNull null = trend_null(4);
  // y = 3, 5, 4, 8 at x = 0, 10, 20, 30: slope 0.14, r = 70 / √(500 · 14).
  const std::vector<Trend> found = find_trends({0, 10, 20, 30}, {3, 5, 4, 8}, 1, null);
  EXPECT_NEAR(found[0].slope, 0.14, 1e-9);
  EXPECT_NEAR(found[0].correlation, 70 / std::sqrt(500 * 14.0), 1e-9);
}

TEST(Trends, PlantedLinesAreFoundWithTheirDirection) {
  const Planted data = planted(400, 60, 1);
  const std::vector<Trend> found = find_trends(steps(), data.values, 400, trend_null(kPoints));
  int64_t right = 0;
  int64_t wrong = 0;
  for (int64_t s = 0; s < 400; ++s) {
    const Trending d = trend_of(found[s], {});
    if (d == Trending::kNone) continue;
    const int sign = d == Trending::kStrengthened ? 1 : -1;
    (sign == data.direction[s] ? right : wrong) += 1;
  }
  EXPECT_GE(right, 57);  // of 60
  EXPECT_LE(wrong, 4);   // a twentieth of what is found, and a bit for chance
}

TEST(Trends, WanderingSeriesKeepTheFalsePositiveRate) {
  const SurrogateNull null = trend_null(kPoints);
  constexpr int64_t kSeriesEach = 3000;
  const Planted data = planted(kSeriesEach, 0, 2);
  const std::vector<Trend> found = find_trends(steps(), data.values, kSeriesEach, null);
  for (const double level : {0.05, 0.01}) {
    for (int64_t kind = 0; kind < 3; ++kind) {
      int64_t below = 0;
      for (int64_t s = kind; s < kSeriesEach; s += 3) below += found[s].p <= level;
      // 1,000 series of a kind: three standard deviations above the level.
      EXPECT_LE(below, 1000 * level + 3 * std::sqrt(1000 * level)) << "kind " << kind << ", level " << level;
    }
  }
  // Without planted series the whole family finds something in 5 % of families at most; here in none of these.
  int64_t discoveries = 0;
  for (const Trend& t : found) discoveries += trend_of(t, {}) != Trending::kNone;
  EXPECT_EQ(discoveries, 0);
}

TEST(Trends, ASeriesThatDoesNotMoveIsNothing) {
  const std::vector<Trend> found = find_trends({0, 1, 2, 3, 4}, {7, 7, 7, 7, 7}, 1, trend_null(5));
  EXPECT_EQ(found[0].slope, 0);
  EXPECT_EQ(found[0].correlation, 0);
  EXPECT_EQ(trend_of(found[0], {}), Trending::kNone);
  EXPECT_THROW(trend_null(3), Error);
}

TEST(TrendNull, WhiteNoiseFollowsStudent) {
  // P(|r| ≥ 0.2542) = 0.05 for 60 points without persistence (t = 2.0017 with 58 degrees of freedom).
  constexpr double kSpread = 0.005;  // 20,000 series: three standard deviations
  EXPECT_NEAR(trend_null(kPoints).p_at(0.2542, 0), 0.05, kSpread);
  // In the fitted tail: P(|r| ≥ 0.5) = 4.8e-5 (t = 4.397).
  EXPECT_NEAR(std::log10(trend_null(kPoints).p_at(0.5, 0)), std::log10(4.8e-5), 0.3);
}

TEST(BenjaminiHochberg, FollowsTheDefinition) {
  const std::vector<double> q = benjamini_hochberg({0.01, 0.04, 0.03, 0.5});
  EXPECT_NEAR(q[0], 0.04, 1e-12);      // 0.01 · 4 / 1
  EXPECT_NEAR(q[1], 0.16 / 3, 1e-12);  // 0.04 · 4 / 3
  EXPECT_NEAR(q[2], 0.16 / 3, 1e-12);  // min(0.03 · 4 / 2, the next)
  EXPECT_NEAR(q[3], 0.5, 1e-12);
}

}  // namespace
}  // namespace circuit
