#include "graph/svg.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>

#include "graph/svg_layout.h"

namespace circuit {
namespace {

using testing::HasSubstr;
using testing::Not;

struct DrawnForm {
  int64_t kv_heads;
  bool parallel;
};

class Svg : public testing::TestWithParam<DrawnForm> {
 protected:
  Svg() {
    for (int64_t id = 0; id < graph_.n_edges(); ++id) {
      scores_.values.push_back(static_cast<float>(id % 7 - 3) / 8);
      if (id % 3 == 0) circuit_.edges.push_back(id);
    }
  }
  static Architecture shape() {
    Architecture a;
    a.n_layers = 3;
    a.n_heads = 4;
    a.n_kv_heads = GetParam().kv_heads;
    a.every_layer().set_parallel(GetParam().parallel);
    return a;
  }
  Graph graph_{shape(), KeyValueNodes::kGrouped};
  EdgeScores scores_;
  Circuit circuit_;
};

// "" for well-formed text, else what is wrong: every element is closed, attributes are quoted, and no bare <,
// > or & stands in text. Enough of XML for what to_svg writes.
std::string fault_in(const std::string& xml) {
  static const std::regex kTag(R"re(<(/?)([a-zA-Z]+)((?: [a-zA-Z:-]+="[^"<]*")*)(/?)>)re");
  std::vector<std::string> open;
  size_t at = xml.find("?>") + 2;
  while (at < xml.size()) {
    const size_t tag = xml.find('<', at);
    const std::string text = xml.substr(at, tag - at);
    if (text.find('>') != std::string::npos) return "bare > in " + text;
    for (size_t amp = text.find('&'); amp != std::string::npos; amp = text.find('&', amp + 1)) {
      if (text.compare(amp, 4, "&lt;") != 0 && text.compare(amp, 4, "&gt;") != 0) return "bare & in " + text;
    }
    if (tag == std::string::npos) break;
    std::smatch match;
    const std::string rest = xml.substr(tag, xml.find('>', tag) + 1 - tag);
    if (!std::regex_match(rest, match, kTag)) return "not a tag: " + rest;
    at = tag + rest.size();
    if (match[1] == "/") {
      if (open.empty() || open.back() != match[2]) return "closes " + match[2].str();
      open.pop_back();
    } else if (match[4] != "/") {
      open.push_back(match[2]);
    }
  }
  return open.empty() ? "" : "open at the end: " + open.back();
}

int count(const std::string& text, const std::string& part) {
  int n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

std::string escaped(std::string name) {
  name = std::regex_replace(name, std::regex("<"), "&lt;");
  return std::regex_replace(name, std::regex(">"), "&gt;");
}

TEST_P(Svg, IsWellFormed) {
  EXPECT_EQ(fault_in(to_svg(graph_, circuit_, scores_)), "");
  EXPECT_EQ(fault_in(to_svg(graph_, {}, scores_)), "");
  EXPECT_NE(fault_in("<?xml?><g><title>a->b</title></g>"), "") << "the check itself";
  EXPECT_NE(fault_in("<?xml?><g><title>a</g>"), "");
}

TEST_P(Svg, HasEveryEdgeOfTheCircuitOnceAndNoOther) {
  const std::string svg = to_svg(graph_, circuit_, scores_);
  EXPECT_EQ(count(svg, "<title>"), static_cast<int>(circuit_.edges.size()));
  for (const int64_t id : circuit_.edges) {
    EXPECT_EQ(count(svg, "<title>" + escaped(graph_.edge_name(id)) + " "), 1) << graph_.edge_name(id);
  }
}

TEST_P(Svg, HasEveryNodeOnce) {
  const std::string svg = to_svg(graph_, circuit_, scores_);
  std::set<std::string> names;
  for (const int64_t id : circuit_.edges) {
    const Edge e = graph_.edge(id);
    names.insert(graph_.upstream_name(e.upstream));
    names.insert(box_of(graph_.downstream_name(e.downstream)));
  }
  EXPECT_EQ(count(svg, "<g><rect"), static_cast<int>(names.size()));
  for (const std::string& name : names) EXPECT_EQ(count(svg, ">" + name + "</text>"), 1) << name;
}

TEST_P(Svg, DrawsOnlyNodesOfTheCircuit) {
  const int64_t id = graph_.edge_id(0, graph_.logits());
  const std::string svg = to_svg(graph_, {{id}}, scores_);
  EXPECT_EQ(count(svg, "<g><rect"), 2);
  EXPECT_THAT(svg, testing::AllOf(HasSubstr(">input</text>"), HasSubstr(">logits</text>"), Not(HasSubstr(">layer "))));
}

TEST_P(Svg, PutsReadersAboveTheirWriters) {
  const SvgLayout layout = svg_layout(graph_, circuit_);
  for (const int64_t id : circuit_.edges) {
    const Edge e = graph_.edge(id);
    const SvgEnds ends = ends_of(layout, graph_, e);
    EXPECT_LT(ends.to.y, ends.from.y) << graph_.edge_name(id);
  }
}

TEST_P(Svg, KeepsBoxesApartAndInside) {
  const SvgLayout layout = svg_layout(graph_, circuit_);
  for (const auto& [name, a] : layout.boxes) {
    EXPECT_TRUE(a.x > kBoxWidth / 2 && a.x < layout.width - kBoxWidth / 2 && a.y > 0 && a.y < layout.height) << name;
    for (const auto& [other, b] : layout.boxes) {
      if (name == other) continue;
      EXPECT_TRUE(std::abs(a.x - b.x) > kBoxWidth || std::abs(a.y - b.y) > kBoxHeight) << name << " on " << other;
    }
  }
}

TEST_P(Svg, IsTheSameEveryTime) { EXPECT_EQ(to_svg(graph_, circuit_, scores_), to_svg(graph_, circuit_, scores_)); }

TEST_P(Svg, WidensWithTheScoreAndColoursBySign) {
  const int64_t a = graph_.edge_id(0, graph_.logits());
  const int64_t b = a + 1;
  EdgeScores scores{std::vector<float>(graph_.n_edges())};
  scores.values[a] = -0.5F;
  scores.values[b] = 0.25F;
  const std::string svg = to_svg(graph_, {{a, b}}, scores);
  const auto drawn = [&](int64_t id) {
    static const std::regex kPath(
        R"re(stroke="(#[0-9a-f]+)" stroke-width="([0-9.]+)" stroke-opacity="[0-9.]+"><title>([^ ]+))re");
    for (std::sregex_iterator m(svg.begin(), svg.end(), kPath), end; m != end; ++m) {
      if ((*m)[3] == escaped(graph_.edge_name(id))) return std::pair((*m)[1].str(), std::stod((*m)[2]));
    }
    return std::pair(std::string(), 0.0);
  };
  EXPECT_NE(drawn(a).first, drawn(b).first);
  EXPECT_GT(drawn(a).second, drawn(b).second);
  EXPECT_THAT(svg, HasSubstr(" -0.5</title>"));
}

INSTANTIATE_TEST_SUITE_P(Forms, Svg, testing::Values(DrawnForm{4, false}, DrawnForm{4, true}, DrawnForm{2, false}));

}  // namespace
}  // namespace circuit
