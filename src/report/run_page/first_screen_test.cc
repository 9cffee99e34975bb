// What the page opens with: the order of its parts, the front, and runs that lack something.
#include "report/run_page/first_screen.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "report/kit/assets.h"
#include "report/kit/text.h"
#include "report/run_page/run_page.h"
#include "report/run_page/run_results.h"
#include "store/synthetic_run.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class FirstScreen : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("circuit-first-screen-test-" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  // A run whose best step, 30, has these values; "" leaves a run as it is.
  std::string make(const std::string& name, const std::string& sql = "") const {
    SyntheticRun spec;
    spec.steps = 30;
    std::string run = (folder_ / name).string();
    write_synthetic_run(run, spec);
    if (!sql.empty()) Database(run + "/run.db", Database::Mode::kReadWrite).execute(sql);
    return run;
  }
  static std::string values(double metric, double perplexity) {
    const auto set = [](const char* name, double value) {
      return "UPDATE evaluations SET value = " + std::to_string(value) + " WHERE step = 30 AND name = '" + name + "';";
    };
    return set("dev/metric", metric) + set("untouched/perplexity", perplexity) +
           "INSERT INTO meta VALUES('summary', '{\"best_step\": 30}');";
  }
  static std::vector<RunData> read(const std::vector<std::string>& folders) {
    std::vector<RunData> runs;
    for (const std::string& folder : folders) runs.push_back(read_run(folder));
    return runs;
  }
  // The rows of that kind of the picture's data.
  static Json rows(const Chart& picture, const std::string& kind) {
    Json found = Json::array();
    for (const Json& row : picture.spec["data"]["values"]) {
      if (row["kind"] == kind) found.push_back(row);
    }
    return found;
  }
  static std::string own_part(std::string page) {
    page.erase(page.find(chart_bundles()), chart_bundles().size());
    return page;
  }
  static void expect_order(const std::string& page, const std::vector<std::string>& parts) {
    size_t before = 0;
    for (const std::string& part : parts) {
      const size_t at = page.find(part);
      ASSERT_NE(at, std::string::npos) << part;
      EXPECT_GT(at, before) << part;
      before = at;
    }
  }
  fs::path folder_;
};

constexpr const char* kPicture = "id=\"first-picture\"";
constexpr const char* kSmallTable = "class=\"numbers side\"";

TEST_F(FirstScreen, OfSeveralRunsIsOnePictureAndOneTableThenTheDetails) {
  const std::string page = own_part(render_report({make("a"), make("b")}));
  expect_order(page,
               {kPicture, kSmallTable, "<h2>a</h2>", "This run changed", "<summary>Every evaluation of a</summary>",
                "data-name=\"evaluations of a\"", "<h2>b</h2>", "<h2>Behaviour and cost</h2>"});
  EXPECT_EQ(page.find(kPicture), page.rfind(kPicture));
}

TEST_F(FirstScreen, OfOneRunIsAParagraphAPictureAndATable) {
  const std::string page = own_part(render_report({make("a")}));
  expect_order(page, {"This run changed", kPicture, kSmallTable, "<summary>Every evaluation of a</summary>",
                      "<h2>Behaviour and cost</h2>"});
  EXPECT_EQ(page.find("This run changed"), page.rfind("This run changed"));
  EXPECT_THAT(page, HasSubstr("<th scope=\"row\">test metric</th><td>−3.30</td><td>1.90</td>"));
}

TEST_F(FirstScreen, TheFrontHoldsTheRunsThatNothingDominates) {
  const auto runs = read({make("cheap", values(1, 47)), make("strong", values(3, 52)), make("worse", values(0.5, 50))});
  const auto picture = first_picture(runs);
  ASSERT_TRUE(picture);
  const Json front = rows(*picture, kOnFront), off = rows(*picture, kOffFront), base = rows(*picture, kBefore);
  ASSERT_EQ(front.size(), 2u);
  EXPECT_EQ(front[0], (Json{{"run", "cheap"}, {"kind", kOnFront}, {"target", 1.0}, {"cost", 47.0}}));
  EXPECT_EQ(front[1]["run"], "strong");
  ASSERT_EQ(off.size(), 1u);
  EXPECT_EQ(off[0]["run"], "worse");
  ASSERT_EQ(base.size(), 1u);
  EXPECT_EQ(base[0]["target"], -3.41);
  EXPECT_EQ(base[0]["cost"], 46.2);
  // The way there: every evaluation of each run, its own point at the end.
  const Json path = rows(*picture, kPath);
  EXPECT_EQ(path.size(), 3u * 16);
  EXPECT_EQ(path[15]["target"], 1.0);
}

TEST_F(FirstScreen, CostAtEqualMetricIsTheTerminalTables) {
  const auto runs = read({make("a", values(2.5, 50)), make("b", values(4, 60))});
  const double cost = value_at_level(result_of(runs[1]).series, "dev/metric", 2.5, "untouched/perplexity");
  ASSERT_TRUE(cost > 50 && cost < 60) << cost;
  const std::string html = first_screen_html(runs, nullptr);
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\">untouched perplexity at dev metric 2.50</th><td><strong>50.0</strong>"
                              "</td><td><strong>" +
                              format_value(cost) + "</strong></td>"));
  EXPECT_THAT(html, HasSubstr("at a dev metric of 2.50, perplexity on untouched text is <strong>50.0</strong> with "
                              "<strong>a</strong> and <strong>" +
                              format_value(cost) + "</strong> with <strong>b</strong>; before tuning it was 46.2."));
}

TEST_F(FirstScreen, WithoutUntouchedTextCostIsTheShareTouched) {
  const std::string none = "DELETE FROM evaluations WHERE name = 'untouched/perplexity';";
  const std::string share = "INSERT INTO meta VALUES('summary', '{\"best_step\": 30, \"touched_share\": 0.25}');";
  const auto runs = read({make("a", none + share), make("b")});
  const auto picture = first_picture(runs);
  ASSERT_TRUE(picture);
  EXPECT_EQ(picture->title, "Dev metric against parameters touched");
  ASSERT_EQ(picture->spec["data"]["values"].size(), 3u) << picture->spec["data"];
  EXPECT_EQ(picture->spec["data"]["values"][0]["cost"], 0.25);
  EXPECT_EQ(rows(*picture, kBefore)[0]["cost"], 0);
  EXPECT_THAT(first_screen_html(runs, nullptr), HasSubstr("46.2 → "));
}

// One point would be no picture: the metric over the steps is.
TEST_F(FirstScreen, OfOneRunWithoutUntouchedTextShowsTheMetric) {
  const std::string page =
      own_part(render_report({make("a", "DELETE FROM evaluations WHERE name = 'untouched/perplexity'")}));
  EXPECT_THAT(page, Not(HasSubstr(kPicture)));
  expect_order(page, {"This run changed", "<h3>Metric</h3>", kSmallTable, "<h2>Behaviour and cost</h2>"});
  EXPECT_EQ(page.find("<h3>Metric</h3>"), page.rfind("<h3>Metric</h3>"));
}

TEST_F(FirstScreen, ARunThatIsNotFinishedIsComparedAndNamed) {
  const std::string running =
      "UPDATE meta SET value = 'running' WHERE key = 'status'; DELETE FROM evaluations WHERE step > 20;";
  const std::string page = own_part(render_report({make("a"), make("b", running)}));
  EXPECT_THAT(page, HasSubstr("<strong>b</strong> has not finished: its numbers are of the best evaluation so far."));
  EXPECT_THAT(page, HasSubstr("<th scope=\"row\">status</th><td>finished</td><td>running</td>"));
  EXPECT_THAT(page, HasSubstr("<th scope=\"row\">dev metric</th>"));
  EXPECT_THAT(page, Not(HasSubstr("<th scope=\"row\">test metric</th>"))) << "b has none after tuning";
  EXPECT_THAT(page, HasSubstr("<td>30 of 30</td><td>20 of 30</td>"));
}

TEST_F(FirstScreen, InfinitePerplexityIsSaidAndNotDrawn) {
  const std::string infinite =
      "UPDATE evaluations SET value = 9e999 WHERE name = 'untouched/perplexity' AND step >= 10;"
      "UPDATE evaluations SET value = 'nan' WHERE name = 'dev/metric' AND step = 4;";
  const auto runs = read({make("fine"), make("<diverged>", infinite)});
  const auto picture = first_picture(runs);
  ASSERT_TRUE(picture);
  EXPECT_THAT(picture->caption, HasSubstr("Not drawn: <diverged>, whose untouched perplexity is ∞."));
  EXPECT_EQ(rows(*picture, kOnFront).size(), 1u);
  for (const Json& row : picture->spec["data"]["values"]) {
    EXPECT_TRUE(std::isfinite(row["target"].get<double>()) && std::isfinite(row["cost"].get<double>())) << row;
  }
  const std::string page = own_part(render_report({(folder_ / "fine").string(), (folder_ / "<diverged>").string()}));
  EXPECT_THAT(page, HasSubstr("46.2 → <strong>∞</strong>"));
  EXPECT_THAT(page, Not(HasSubstr("<diverged>")));
}

TEST_F(FirstScreen, WhereNoRunHasAFiniteCostThereIsNoPicture) {
  const std::string infinite = "UPDATE evaluations SET value = 9e999 WHERE name = 'untouched/perplexity'";
  EXPECT_FALSE(first_picture(read({make("a", infinite), make("b", infinite)})));
  EXPECT_NO_THROW(render_report({(folder_ / "a").string(), (folder_ / "b").string()}));
}

TEST_F(FirstScreen, CostsFarApartStandOnALogarithmicAxis) {
  const auto picture = first_picture(read({make("a", values(2, 50)), make("b", values(3, 5e6))}));
  ASSERT_TRUE(picture);
  EXPECT_EQ(picture->spec["layer"][0]["encoding"]["x"]["scale"]["type"], "log");
}

}  // namespace
}  // namespace circuit
