// The Python that docs/formats.md gives for run.db, as it stands there.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <regex>
#include <sstream>

#include "io/files.h"
#include "io/json.h"
#include "tests/tiny_run.h"

namespace circuit {
namespace {

// The python blocks of the part on reading scores.
std::vector<std::string> snippets() {
  const std::string text = read_file(std::string(CIRCUIT_SOURCE_DIR) + "/docs/formats.md");
  const size_t first = text.find("**Reading scores**");
  const size_t last = text.find("**Views**");
  std::vector<std::string> found;
  const std::string open = "```python\n";
  for (size_t at = text.find(open, first); at < last; at = text.find(open, at)) {
    at += open.size();
    found.push_back(text.substr(at, text.find("```", at) - at));
  }
  return found;
}

class Snippets : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    runs_ = new TinyRuns({}, {"selection.n=12", "tuning.steps=20", "tuning.batch=2", "optimizer.lr=0.01",
                              "evaluation.every=10", "run.keep_scores=every", "run.keep_every=4"});
    ASSERT_EQ(run_program(runs_->tune("run")).exit_code, 0);
  }
  static void TearDownTestSuite() { delete runs_; }

  // The lines that a snippet prints of the run.
  static std::vector<std::string> lines_of(const std::string& code) {
    const std::string script = runs_->scratch() / "snippet.py";
    const std::string out = runs_->scratch() / "out.txt";
    write_file(script, code);
    EXPECT_EQ(std::system(("python3 " + script + " " + runs_->run("run") + " > " + out).c_str()), 0);
    std::istringstream text(read_file(out));
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }
  // "0 72 input->logits +0.01234": step, edges and strongest edge of every discovery that kept its scores.
  static std::vector<std::string> expected() {
    const std::string sql =
        "SELECT step, (SELECT count(*) FROM edges) AS n, upstream, downstream, score, max(abs(score)) FROM "
        "edge_series "
        "GROUP BY step ORDER BY step";
    std::vector<std::string> lines;
    for (const Json& row : parse_json(run_quiet({"query", runs_->run("run"), sql, "--json"}).out, "query")) {
      lines.push_back(fmt::format("{} {} {}->{} {:+.5f}", row["step"].get<int>(), row["n"].get<int>(),
                                  row["upstream"].get<std::string>(), row["downstream"].get<std::string>(),
                                  row["score"].get<double>()));
    }
    return lines;
  }
  static TinyRuns* runs_;
};
TinyRuns* Snippets::runs_ = nullptr;

bool python_has(const std::string& modules) {
  if (std::system(("python3 -c 'import " + modules + "' 2>/dev/null").c_str()) == 0) return true;
  std::cout << "python3 with " << modules << " is absent: a snippet of docs/formats.md is not tested\n";
  return false;
}

TEST_F(Snippets, OfTheStandardLibraryReadTheScoresThatWereKept) {
  if (!python_has("sqlite3")) GTEST_SKIP();
  ASSERT_EQ(snippets().size(), 2U);
  const std::vector<std::string> lines = lines_of(snippets()[0]);
  EXPECT_EQ(lines.size(), 7U) << "0, 4, 8, 12, 16, and 9 and 19 before the evaluations";
  EXPECT_EQ(lines, expected());
}

TEST_F(Snippets, OfPandasReadTheSame) {
  if (!python_has("sqlite3, numpy, pandas")) GTEST_SKIP();
  std::vector<std::string> lines = lines_of(snippets()[1]);
  ASSERT_EQ(lines.size(), 7U + 22U) << "and the circuits of 20 discoveries below two lines of names";
  EXPECT_TRUE(std::regex_search(lines.back(), std::regex("^19 +12 "))) << lines.back();
  lines.resize(7);
  EXPECT_EQ(lines, expected());
}

}  // namespace
}  // namespace circuit
