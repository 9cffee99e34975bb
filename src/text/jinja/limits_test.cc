// Templates that loop, recurse, fill the memory or nest without end: refused in one line that names the line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "text/jinja/template.h"

namespace circuit::jinja {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

std::string refusal(const std::string& source) {
  try {
    Template(source, "t").render([](Runtime&) { return Named(); });
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(JinjaLimits, LoopsEnd) {
  EXPECT_THAT(refusal("a\n{% for x in range(10 ** 9) %}{% endfor %}"),
              HasSubstr("[t:2] chat template: range: more than 100000"));
  const std::string loop = "{% for x in range(99999) %}";
  EXPECT_THAT(refusal(loop + loop + "{{ x }}{% endfor %}{% endfor %}"), HasSubstr("it takes more than 4000000 steps"));
  EXPECT_THAT(refusal(loop + "{% for y in 'a' * 100000 %}{% endfor %}{% endfor %}"), HasSubstr("steps"));
  EXPECT_THAT(refusal("{% set n = namespace(l=[1]) %}" + loop + "{% set n.l = n.l + n.l %}{% endfor %}"),
              HasSubstr("it"));
  EXPECT_THAT(refusal("{% set l = range(99999) | list %}" + loop + "{% if -1 in l %}{% endif %}{% endfor %}"),
              HasSubstr("steps"));
  EXPECT_THAT(refusal("{% set l = range(99999) | list %}" + loop + "{% set y = l | sort %}{% endfor %}"),
              HasSubstr("steps"));
}

// Steps grow with the input: TRL's longest templates take 3,000 a message (13 of 112 were refused 3,000 messages).
TEST(JinjaLimits, LongConversationsMayTakeMoreStepsAndLoopsStillEnd) {
  constexpr int kMessages = 3000;
  const auto messages = [](Runtime& runtime) {
    Values list;
    for (int i = 0; i < kMessages; ++i) {
      list.push_back(runtime.dict({{runtime.text("role"), runtime.text("user")},
                                   {runtime.text("content"), runtime.text("What are the keys to the cabinet?")}}));
    }
    return Named{{"messages", runtime.list(std::move(list))}};
  };
  const std::string each = "{% for m in messages %}{% for x in range(";
  const std::string body = ") %}{{ x }}{% endfor %}{% endfor %}";
  EXPECT_GT(Template(each + "1000" + body, "t").render(messages).text.size(), 3000 * 1000);
  EXPECT_THROW(Template(each + "99999" + body, "t").render(messages), Error);
  EXPECT_THROW(Template("{% for m in messages %}" + each + "10" + body + "{% endfor %}", "t").render(messages), Error);
}

TEST(JinjaLimits, MemoryIsBounded) {
  EXPECT_THAT(refusal("{{ 'a' * 10 ** 12 }}"), HasSubstr("[t:1] chat template: a text is repeated"));
  EXPECT_THAT(refusal("{{ [1] * 10 ** 12 }}"), HasSubstr("a list is repeated"));
  EXPECT_THAT(refusal("{{ 'a' * 10 ** 8 * 2 }}"), HasSubstr("it takes more than 4000000 steps"));
  const std::string loop = "{% for x in range(99999) %}";
  for (const char* grows : {"n.t ~ n.t", "n.t + n.t", "n.t * 3", "n.t | replace('a', 'aaa')", "[n.t, n.t] | join",
                            "n.t | tojson", "[n.t, n.t]", "{'a': n.t, 'b': n.t}", "(n.t | string) * 2",
                            "'%s%s' % (n.t, n.t)", "'{0}{0}'.format(n.t)", "n.t | indent(900)"}) {
    const std::string source =
        "{% set n = namespace(t='\\na\\na\"') %}" + loop + "{% set n.t = " + grows + " %}{% endfor %}";
    EXPECT_THAT(refusal(source), HasSubstr("[t:1] chat template: ")) << grows;
  }
  EXPECT_THAT(refusal("{% set t = 'a' * 10 ** 6 %}" + loop + "{{ t }}{% endfor %}"), HasSubstr("it takes more than"));
}

TEST(JinjaLimits, NestingIsBounded) {
  EXPECT_THAT(refusal("{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}"), HasSubstr("calls inside one another"));
  EXPECT_THAT(refusal("{% macro f(n) %}{% call f(n) %}{{ f(1) }}{% endcall %}{% endmacro %}{{ f(0) }}"),
              HasSubstr("calls inside"));
  EXPECT_THAT(refusal("{{ " + repeated("(", 10'000) + "1" + repeated(")", 10'000) + " }}"), HasSubstr("100 deep"));
  EXPECT_THAT(refusal("{{ " + repeated("[", 10'000) + "1" + repeated("]", 10'000) + " }}"), HasSubstr("100 deep"));
  EXPECT_THAT(refusal("{{ " + repeated("{1:", 10'000) + "1" + repeated("}", 10'000) + " }}"), HasSubstr("100 deep"));
  EXPECT_THAT(refusal("{{ " + repeated("-", 10'000) + "1 }}"), HasSubstr("100 deep"));
  EXPECT_THAT(refusal("{{ " + repeated("not ", 10'000) + "1 }}"), HasSubstr("100 deep"));
  EXPECT_THAT(refusal("{{ a" + repeated("[a", 10'000) + repeated("]", 10'000) + " }}"), HasSubstr("100 deep"));
  EXPECT_THAT(refusal("{{ a" + repeated(" if a else a", 10'000) + " }}"), HasSubstr("100 deep"));
  EXPECT_THAT(refusal("{{ a" + repeated("|f(a", 10'000) + repeated(")", 10'000) + " }}"), HasSubstr("100 deep"));
  EXPECT_THAT(refusal("{% set " + repeated("(", 10'000) + "a" + repeated(")", 10'000) + " = 1 %}"),
              HasSubstr("100 deep"));
  EXPECT_THAT(refusal("{{ a" + repeated(" + a", 10'000) + " }}"), HasSubstr("500 levels"));
  EXPECT_THAT(refusal("{{ a" + repeated(".a", 10'000) + " }}"), HasSubstr("500 levels"));
  EXPECT_THAT(refusal("{{ a" + repeated("|a", 10'000) + " }}"), HasSubstr("500 levels"));
  EXPECT_THAT(refusal(repeated("{% if a %}", 100'000)), HasSubstr("100 deep"));
  EXPECT_THAT(refusal("{{ 1 if a }}" + repeated("{% if a %}{% elif a %}{% endif %}", 1000)), testing::IsEmpty());
}

TEST(JinjaLimits, WhatIsNotSupportedIsRefusedByName) {
  EXPECT_THAT(refusal("\n\n{% include 'x' %}"),
              HasSubstr("[t:3] chat template: the statement 'include' is not supported."));
  EXPECT_THAT(refusal("{{ 1 | pprint }}"), HasSubstr("the filter 'pprint' is not supported"));
  EXPECT_THAT(refusal("{{ 1 is callabel }}"), HasSubstr("the test 'callabel' is not supported"));
  EXPECT_THAT(refusal("{{ 'a'.encode() }}"), HasSubstr("a text has no 'encode', and it is called"));
  EXPECT_THAT(refusal("{{ [].append(1) }}"), HasSubstr("append: values cannot be changed"));
  EXPECT_THAT(refusal("{{ lipsum() }}"), HasSubstr("'lipsum' is not supported"));
  EXPECT_THAT(refusal("{% for x in [] recursive %}{% endfor %}"), HasSubstr("recursive loops are not supported"));
  EXPECT_THAT(refusal("{% set n = namespace() %}{% set n.n = n %}"),
              HasSubstr("a namespace into a list, dict or namespace"));
  EXPECT_THAT(refusal("{{ 'ß' | upper }}"), HasSubstr("the other case of 'ß'"));
}

}  // namespace
}  // namespace circuit::jinja
