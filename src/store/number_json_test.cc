#include "store/number_json.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "core/error.h"
#include "io/sqlite.h"

namespace circuit {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(NumberJson, ReadsBackWhatItWroteThroughText) {
  const std::map<std::string, double> values{{"a", 0.1}, {"b", kInfinity}, {"c", -kInfinity}, {"d", kNan}};
  const Json read = parse_json(Json({{"x", numbers_json(values)}}).dump(), "test");
  const auto found = numbers_of(read, "x", "test");
  EXPECT_EQ(found.at("a"), 0.1);
  EXPECT_EQ(found.at("b"), kInfinity);
  EXPECT_EQ(found.at("c"), -kInfinity);
  EXPECT_TRUE(std::isnan(found.at("d")));
  EXPECT_TRUE(std::isnan(number_of(Json(), "x", "test")));
  EXPECT_THROW(number_of(Json("many"), "x", "test"), Error);
}

TEST(Sqlite, KeepsNumbersThatAreNotFinite) {
  const std::string path = testing::TempDir() + "/circuit_numbers_" + std::to_string(getpid()) + ".db";
  {
    Database db(path, Database::Mode::kCreate);
    db.execute("CREATE TABLE t(x REAL NOT NULL)");
    Statement insert = db.prepare("INSERT INTO t VALUES(?)");
    for (const double value : {kNan, kInfinity, -kInfinity, 1.5}) insert.bind(1, value).run();
    Statement rows = db.prepare("SELECT x FROM t ORDER BY rowid");
    ASSERT_TRUE(rows.step());
    EXPECT_TRUE(std::isnan(rows.real(0)));
    for (const double value : {kInfinity, -kInfinity, 1.5}) {
      ASSERT_TRUE(rows.step());
      EXPECT_EQ(rows.real(0), value);
    }
  }
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace circuit
