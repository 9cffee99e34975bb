// circuit query: the views say what the tables hold, and nothing can be written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/json.h"
#include "tests/refusal.h"
#include "tests/tiny_run.h"

namespace circuit {
namespace {

class Query : public testing::Test {
 public:
  static std::string run_folder() { return runs_->run("run"); }

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
  EXPECT_EQ(
      number("SELECT count(*) AS n FROM edge_series s JOIN circuit_edges c ON c.step = s.step AND c.edge = s.edge "
             "WHERE s.score <> c.score"),
      0);
}

TEST_F(Query, CsvQuotesWhatNeedsIt) {
  const ProgramResult result =
      run_quiet({"query", runs_->run("run"), "SELECT 1 AS a, 'x,\"y' AS b, NULL AS c, 0.1 AS d", "--csv"});
  EXPECT_EQ(result.out, "a,b,c,d\n1,\"x,\"\"y\",,0.1\n");
}

std::string printed(const std::string& sql, const std::string& form) {
  Arguments arguments{"query", Query::run_folder(), sql};
  if (!form.empty()) arguments.push_back(form);
  const ProgramResult result = run_quiet(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  return result.out;
}

// What SQL has and text, CSV and JSON each have their own way with.
constexpr const char* kAllKinds =
    "SELECT 9223372036854775807 AS big, 0.1 AS real, 'zwei\n\"Zeilen\", äß' AS text, x'00ff' AS blob, NULL AS gone, '' "
    "AS "
    "empty, 9e999 AS most";

TEST_F(Query, JsonKeepsOrderKindsAndEveryDigit) {
  EXPECT_EQ(printed(kAllKinds, "--json"),
            "[\n{\"big\":9223372036854775807,\"real\":0.1,\"text\":\"zwei\\n\\\"Zeilen\\\", äß\",\"blob\":\"00ff\","
            "\"gone\":null,\"empty\":\"\",\"most\":\"inf\"}\n]\n");
}

TEST_F(Query, CsvKeepsKindsAndEveryDigit) {
  EXPECT_EQ(
      printed(kAllKinds, "--csv"),
      "big,real,text,blob,gone,empty,most\n9223372036854775807,0.1,\"zwei\n\"\"Zeilen\"\", äß\",00ff,,\"\",inf\n");
}

TEST_F(Query, TablesAreARowALineAndAligned) {
  EXPECT_EQ(printed("SELECT 'ä\nb' AS name, x'0102' AS bytes, NULL AS gone UNION ALL SELECT 'xyz', 7, 'ß'", ""),
            "name        bytes  gone\nä\\x0ab  <2 bytes>\nxyz             7     ß\n");
}

TEST_F(Query, OfNoRowsSaysSoInEachForm) {
  const std::string sql = "SELECT step, loss FROM steps WHERE step < 0";
  EXPECT_EQ(printed(sql, ""), "step  loss\n");
  EXPECT_EQ(printed(sql, "--csv"), "step,loss\n");
  EXPECT_EQ(printed(sql, "--json"), "[]\n");
}

TEST_F(Query, TextThatIsNoUtf8IsStillJson) {
  EXPECT_EQ(printed("SELECT CAST(x'ff41' AS TEXT) AS t", "--json"),
            "[\n{\"t\":\"\xEF\xBF\xBD"
            "A\"}\n]\n");
}

TEST_F(Query, ErrorsAreOneLineAndPrintNothing) {
  const auto refused = [&](const Arguments& arguments, const std::string& words) {
    const ProgramResult result = run_quiet(arguments);
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_EQ(result.error_lines.size(), 1U) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, testing::HasSubstr(words));
  };
  refused({"query", run_folder(), "SELECT\n'open\nquote"}, "unrecognized token");
  refused({"query", run_folder(), "SELECT 1;\nSELECT\n2"}, "one statement at a time");
  refused({"query", run_folder(), "SELECT 1 AS a, 2 AS a", "--json"}, "two columns are called 'a'");
  // The first rows are there when it fails.
  refused({"query", run_folder(), "SELECT abs(-9223372036854775807 - step) FROM steps", "--csv"}, "integer overflow");
  refused({"query", runs_->run("none"), "SELECT 1"}, "none/run.db");
}

TEST(QueryOfARunThatGoesOn, SeesWholeDiscoveriesAndDoesNotStopIt) {
  const TinyRuns runs({}, {"selection.n=12", "tuning.steps=100000", "tuning.batch=2", "evaluation.every=10"});
  const std::string run = runs.run("run");
  const std::vector<std::string> folders{runs.scratch().path(), run};
  Program program(runs.tune("run"));
  for (const int64_t seen : {3, 8, 14}) {
    ASSERT_TRUE(program.wait_until(folders, [&] { return query(run, "SELECT max(step) FROM steps") >= seen; }));
    const ProgramResult result = run_quiet(
        {"query", run,
         "SELECT (SELECT count(*) FROM circuit_edges) - (SELECT sum(n_edges) FROM discoveries) AS apart, (SELECT "
         "max(step) FROM steps) AS step",
         "--json"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const Json row = parse_json(result.out, "query")[0];
    EXPECT_EQ(row["apart"], 0);
    EXPECT_GE(row["step"], seen);
  }
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
