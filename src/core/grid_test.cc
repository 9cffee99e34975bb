#include "core/grid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace circuit {
namespace {

using testing::ElementsAre;

TEST(Grid, PartsValuesAtCommas) {
  const GridAxis axis = parse_grid_axis("selection.n=50,100,1e-3");
  EXPECT_EQ(axis.key, "selection.n");
  EXPECT_THAT(axis.values, ElementsAre("50", "100", "1e-3"));
}

TEST(Grid, QuotesAndBracketsKeepCommas) {
  EXPECT_THAT(parse_grid_axis("selection.never='m0,m1',m2").values, ElementsAre("m0,m1", "m2"));
  EXPECT_THAT(parse_grid_axis("k=\"a,b\",\"c\"").values, ElementsAre("a,b", "c"));
  EXPECT_THAT(parse_grid_axis("k=['m0', 'm1'],['m2']").values, ElementsAre("['m0', 'm1']", "['m2']"));
  EXPECT_THAT(parse_grid_axis("optimizer.rates=m*=0.5,m*=2").values, ElementsAre("m*=0.5", "m*=2"));
}

TEST(Grid, RefusesWhatIsNoListOfValues) {
  for (const char* text : {"selection.n", "=1,2", "k=", "k=1,,2", "k=1,", "k='a,b", "k=[1,2", "k=]["}) {
    EXPECT_THROW(parse_grid_axis(text), UsageError) << text;
  }
}

TEST(Grid, ProductHasEveryCombinationOnceTheLastFastest) {
  EXPECT_THAT(grid_points({2, 3}), ElementsAre(ElementsAre(0, 0), ElementsAre(0, 1), ElementsAre(0, 2),
                                               ElementsAre(1, 0), ElementsAre(1, 1), ElementsAre(1, 2)));
  EXPECT_EQ(grid_points({}).size(), 1U);
  EXPECT_EQ(grid_points({4, 1, 5}).size(), 20U);
}

TEST(Grid, FileNamesHoldNoSeparatorAndDiffer) {
  EXPECT_EQ(file_name_part("1e-05"), "1e-05");
  EXPECT_EQ(file_name_part("data/a b.jsonl"), "data%2Fa%20b.jsonl");
  EXPECT_NE(file_name_part("a%2Fb"), file_name_part("a/b"));
}

}  // namespace
}  // namespace circuit
