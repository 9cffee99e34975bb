#include "report/kit/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "report/kit/assets.h"
#include "report/kit/elements.h"

namespace circuit {
namespace {

using testing::HasSubstr;
using testing::Not;

Page made_up_page() {
  Page page;
  page.kind = "circuit test";
  page.title = "a <b> {{main}}";
  page.main = lead_section("<p>words {{title}}</p>");
  page.without_scripts = "Nothing moves.";
  page.data_id = "made-up-data";
  page.data = {{"name", "</script>"}};
  page.scripts = {"charts.js", "table.js"};
  return page;
}

TEST(Page, PutsWhatAProductSaysIntoTheShell) {
  const std::string html = page_html(made_up_page());
  EXPECT_THAT(html, HasSubstr("<title>a &lt;b&gt; {{main}} – circuit test</title>"));
  EXPECT_THAT(html, HasSubstr("<p>words {{title}}</p>")) << "what is put in is not searched again";
  EXPECT_THAT(html, HasSubstr("<noscript><p class=\"missing\">Nothing moves.</p></noscript>"));
  EXPECT_THAT(html, HasSubstr("id=\"made-up-data\">{\"name\":\"\\u003c/script>\"}</script>"));
  EXPECT_THAT(html, HasSubstr(std::string(asset("charts.js")) + std::string(asset("table.js"))));
  EXPECT_THAT(html, HasSubstr(chart_bundles()));
}

TEST(Page, OnlyAServedOneMayAskAndKnowsItsState) {
  Page page = made_up_page();
  EXPECT_THAT(page_html(page), testing::AllOf(Not(HasSubstr("connect-src")), HasSubstr("<body>")));
  page.served_state = "5 steps; \"";
  EXPECT_THAT(page_html(page),
              testing::AllOf(HasSubstr("; connect-src 'self'"), HasSubstr("<body data-runs=\"5 steps; &quot;\">")));
}

TEST(Page, AScriptThatIsNotThereIsAMistakeOfOurs) { EXPECT_THROW(asset("nothing.js"), std::logic_error); }

TEST(Elements, EscapeWhatIsText) {
  EXPECT_EQ(cell_html("a\"b", "<em>a</em>"), "<td data-value=\"a&quot;b\"><em>a</em></td>");
  EXPECT_EQ(row_heading("1", "one"), "<th scope=\"row\" data-value=\"1\">one</th>");
  EXPECT_EQ(sort_heading("<n>"), "<th scope=\"col\"><button type=\"button\">&lt;n&gt;</button></th>");
  EXPECT_EQ(card_html({"x"}),
            "<figure class=\"card\"><figcaption></figcaption><div class=\"chart\" id=\"x\"></div></figure>");
}

}  // namespace
}  // namespace circuit
