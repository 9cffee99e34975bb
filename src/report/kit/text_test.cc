#include "report/kit/text.h"

#include <gtest/gtest.h>

#include <limits>

namespace circuit {
namespace {

TEST(Text, EscapesEveryCharacterHtmlReads) {
  EXPECT_EQ(escape_html("<a href=\"x\">'&</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&lt;/a&gt;");
  EXPECT_EQ(escape_html("bad \xFF byte"), "bad \xEF\xBF\xBD byte");
}

TEST(Text, WritesNumbersToThreeDigits) {
  EXPECT_EQ(format_value(-3.4142), "−3.41");
  EXPECT_EQ(format_value(0.012345), "0.0123");
  EXPECT_EQ(format_value(52.44), "52.4");
  EXPECT_EQ(format_value(123456), "123,456");
  EXPECT_EQ(format_value(0), "0");
  EXPECT_EQ(format_value(std::numeric_limits<double>::infinity()), "∞");
  EXPECT_EQ(format_percent(0.1234), "12.3 %");
  EXPECT_EQ(format_count(-1234567), "−1,234,567");
  EXPECT_EQ(format_large(2590848), "2.59 M");
}

}  // namespace
}  // namespace circuit
