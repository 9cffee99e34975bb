// circuit query: the views say what the tables hold, and nothing can be written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/json.h"
#include "tests/refusal.h"
#include "tests/tiny_run.h"

namespace circuit {
namespace {

class Query : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    runs_ = new TinyRuns({}, {"selection.n=12", "discovery.every=3", "tuning.steps=20", "tuning.batch=2",
                              "optimizer.lr=0.01", "evaluation.every=10"});
    ASSERT_EQ(run_program(runs_->tune("run")).exit_code, 0);
  }
  static void TearDownTestSuite() { delete runs_; }
  static Json rows(const std::string& sql) {
    const ProgramResult result = run_quiet({"query", runs_->run("run"), sql, "--json"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return parse_json(result.out, "query");
  }
  static int64_t number(const std::string& sql) { return rows(sql).at(0).at("n").get<int64_t>(); }
  static TinyRuns* runs_;
};
TinyRuns* Query::runs_ = nullptr;

TEST_F(Query, CircuitAtAStepIsThatOfTheLastDiscovery) {
  EXPECT_EQ(rows("SELECT edge, score FROM circuit_at WHERE step = 8 ORDER BY edge"),
            rows("SELECT edge, score FROM circuit_edges WHERE step = 6 ORDER BY edge"));
  EXPECT_GT(number("SELECT count(*) AS n FROM circuit_at WHERE step = 8"), 0);
}

TEST_F(Query, EntriesAndExitsAreThoseTheRunCounted) {
  const char* kByStep = "SELECT step, count(*) AS n FROM entries_exits WHERE change = '";
  EXPECT_EQ(rows(std::string(kByStep) + "entered' GROUP BY step"),
            rows("SELECT step, entered AS n FROM discoveries WHERE step > 0 AND entered > 0"));
  EXPECT_EQ(rows(std::string(kByStep) + "left' GROUP BY step"),
            rows("SELECT step, left AS n FROM discoveries WHERE step > 0 AND left > 0"));
}

TEST_F(Query, EdgeSeriesHasTheScoresOfTheCircuits) {
  EXPECT_EQ(number("SELECT count(*) AS n FROM edge_series"),
            number("SELECT (SELECT count(*) FROM edges) * (SELECT count(*) FROM discoveries) AS n"));
  EXPECT_EQ(number("SELECT count(*) AS n FROM edge_series s JOIN circuit_edges c ON c.step = s.step AND c.edge = s.edge "
                   "WHERE s.score <> c.score"),
            0);
}

TEST_F(Query, CsvQuotesWhatNeedsIt) {
  const ProgramResult result =
      run_quiet({"query", runs_->run("run"), "SELECT 1 AS a, 'x,\"y' AS b, NULL AS c, 0.1 AS d", "--csv"});
  EXPECT_EQ(result.out, "a,b,c,d\n1,\"x,\"\"y\",,0.1\n");
}

TEST_F(Query, RefusesToWriteAndWhatIsNoStatement) {
  const auto refused = [&](const std::string& sql, const std::string& words) {
    const ProgramResult result = run_quiet({"query", runs_->run("run"), sql});
    EXPECT_EQ(result.exit_code, 1) << sql;
    EXPECT_THAT(result.err, testing::HasSubstr(words)) << sql;
  };
  refused("DELETE FROM steps", "only statements that read");
  refused("PRAGMA query_only = OFF", "only statements that read");
  refused("SELECT 1; DELETE FROM steps", "one statement at a time");
  refused("SELECT nonsense", "no such column");
  EXPECT_EQ(number("SELECT count(*) AS n FROM steps"), 20);
}

}  // namespace
}  // namespace circuit
