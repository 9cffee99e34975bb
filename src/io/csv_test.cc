#include "io/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace circuit {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> column(const std::string& text, const std::string& name) {
  std::vector<std::string> values;
  each_csv_row(text, "t.csv", [&](const CsvRow& row) { values.push_back(row.at(name)); });
  return values;
}

std::string error_of(const std::string& text) {
  try {
    column(text, "a");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Csv, QuotedFieldsHoldCommasQuotesAndLineEnds) {
  const std::string text =
      "\xEF\xBB\xBF"
      "a,b\r\n\"x, \"\"y\"\"\nz\",1\r\n\n,2\n\"\",3";
  EXPECT_THAT(column(text, "a"), ElementsAre("x, \"y\"\nz", "", ""));
  EXPECT_THAT(column(text, "b"), ElementsAre("1", "2", "3"));
}

TEST(Csv, PlacesCountTheLinesInsideFields) {
  std::vector<std::string> places;
  each_csv_row("a\n\"1\n2\"\n3\n", "t.csv", [&](const CsvRow& row) { places.push_back(row.place()); });
  EXPECT_THAT(places, ElementsAre("t.csv:2", "t.csv:4"));
}

TEST(Csv, WhatIsNoTableIsRefusedWithItsLine) {
  EXPECT_THAT(error_of(""), HasSubstr("[t.csv] the file is empty"));
  EXPECT_THAT(error_of("a,a\n"), HasSubstr("[t.csv:1] column 'a' appears twice"));
  EXPECT_THAT(error_of("a,b\n1,2\n1\n"), HasSubstr("[t.csv:3] found 1 fields, expected the 2"));
  EXPECT_THAT(error_of("a\n\"1\n"), HasSubstr("[t.csv:2] a quoted field does not end"));
  EXPECT_THAT(error_of("a\n\"1\"2\n"), HasSubstr("[t.csv:2] found text after a closing quote"));
  EXPECT_THAT(error_of("b\n1\n"), HasSubstr("[t.csv:2] the file has no column 'a'"));
  EXPECT_THAT(error_of("a\n\xFF\n"), HasSubstr("not valid UTF-8"));
}

}  // namespace
}  // namespace circuit
