// Templates held against Jinja itself. The lines were written by tools/chat_fixtures.py with transformers 5.24.0 and
// Jinja 3.1.6: a template, what it is given, and its text; null where Jinja refuses too.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <sstream>

#include "core/error.h"
#include "io/files.h"
#include "text/jinja/testing.h"

namespace circuit::jinja {
namespace {

struct Tally {
  int equal = 0;
  int refused_by_both = 0;
  int refused_here = 0;
  int different = 0;
  std::string first_differences;
};

// What a template gives; nothing where it is refused, and then why.
// "file": a template beside the file of lines; "template": its text.
std::optional<std::string> text_of(const OrderedJson& line, const std::string& folder,
                                   std::map<std::string, Template>* templates, std::string* why) {
  const bool has_file = line.contains("file");
  const std::string source = line[has_file ? "file" : "template"].get<std::string>();
  try {
    auto known = templates->find(source);
    if (known == templates->end()) {
      known = templates->emplace(source, Template(has_file ? read_file(folder + source) : source, source)).first;
    }
    return render_json(known->second, line["variables"]);
  } catch (const Error& error) {
    *why = error.what();
    return std::nullopt;
  }
}

Tally run_cases(const std::string& path) {
  Tally tally;
  std::map<std::string, Template> templates;
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  std::istringstream lines(read_file(path));
  int number = 0;
  OrderedJson shared;
  for (std::string line; std::getline(lines, line);) {
    OrderedJson json = OrderedJson::parse(line);
    ++number;
    // Without a template: what all the lines behind are given.
    if (!json.contains("expected")) {
      shared = json["variables"];
      continue;
    }
    if (!json.contains("variables")) json["variables"] = shared;
    std::string why;
    const std::optional<std::string> text = text_of(json, folder, &templates, &why);
    const OrderedJson& expected = json["expected"];
    if (!text && expected.is_null()) {
      ++tally.refused_by_both;
    } else if (text && expected.is_string() && *text == expected.get<std::string>()) {
      ++tally.equal;
    } else {
      ++(text ? tally.different : tally.refused_here);
      if (tally.first_differences.size() < 20'000) {
        tally.first_differences += fmt::format("line {}: {}\n  here {}\n  Jinja {}\n", number, line.substr(0, 300),
                                               text ? OrderedJson(*text).dump() : why, expected.dump());
      }
    }
  }
  return tally;
}

TEST(JinjaCases, EveryLineIsAsJinjaRendersIt) {
  for (const char* file : {"jinja.jsonl", "conversations.jsonl"}) {
    const Tally tally = run_cases(std::string(CIRCUIT_SOURCE_DIR) + "/tests/chat/" + file);
    EXPECT_EQ(tally.different + tally.refused_here, 0) << tally.first_differences;
    EXPECT_GT(tally.equal, 60) << file;
  }
}

// CIRCUIT_JINJA_CASES names a larger file of such lines; CONTRIBUTING.md says how to make one.
TEST(JinjaCases, ALargerFileIsAsJinjaRendersIt) {
  const char* path = std::getenv("CIRCUIT_JINJA_CASES");
  if (path == nullptr) GTEST_SKIP() << "CIRCUIT_JINJA_CASES is not set";
  const Tally tally = run_cases(path);
  EXPECT_EQ(tally.different + tally.refused_here, 0) << tally.first_differences;
  fmt::print("{} equal, {} refused by both, {} refused here alone, {} different\n", tally.equal, tally.refused_by_both,
             tally.refused_here, tally.different);
}

}  // namespace
}  // namespace circuit::jinja
