// style.md's rule of who may include whom: the folders in the order the data passes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>

#include "io/files.h"
#include "tests/program.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kOrder{"core",       "io",       "text",         "ranks",   "model",     "graph",
                                      "store",      "task",     "intervention", "scoring", "selection", "tuning",
                                      "evaluation", "dynamics", "report",       "run",     "sweep",     "launch",
                                      "cli",        "circuit",  "python"};

int rank_of(const std::string& folder) {
  const auto found = std::find(kOrder.begin(), kOrder.end(), folder);
  return found == kOrder.end() ? -1 : static_cast<int>(found - kOrder.begin());
}

// "file:line: …" for each include that breaks the rule, and a line for two folders that include each other.
std::vector<std::string> violations(const std::string& root) {
  static const std::regex kInclude(R"re(^\s*#\s*include\s*"([^"]+)")re");
  std::vector<std::string> found;
  std::set<std::pair<std::string, std::string>> includes;
  for (const auto& item : fs::recursive_directory_iterator(root)) {
    const std::string extension = item.path().extension().string();
    if (extension != ".h" && extension != ".cc") continue;
    const fs::path relative = item.path().lexically_relative(root);
    const std::string own = relative.begin()->string();
    std::istringstream lines(read_file(item.path().string()));
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
      ++number;
      std::smatch match;
      if (!std::regex_search(line, match, kInclude)) continue;
      const std::string target = match[1].str();
      const std::string other = target.substr(0, target.find('/'));
      const std::string place = relative.string() + ":" + std::to_string(number) + ": ";
      includes.emplace(own, other);
      if (rank_of(own) < 0) {
        found.push_back(place + own + "/ is not in the order");
      } else if (rank_of(other) < 0) {
        found.push_back(place + "\"" + target + "\" names no folder of src/");
      } else if (rank_of(other) > rank_of(own)) {
        found.push_back(place + own + "/ includes " + target + ", which comes after it");
      }
    }
  }
  for (const auto& [a, b] : includes) {
    if (a < b && includes.count({b, a}) > 0) found.push_back(a + "/ and " + b + "/ include each other");
  }
  std::sort(found.begin(), found.end());
  return found;
}

TEST(Layering, IncludesGoToTheSameFolderOrOneAbove) {
  EXPECT_THAT(violations(std::string(CIRCUIT_SOURCE_DIR) + "/src"), testing::IsEmpty());
}

// Where SQL stands that is not the store's: io/ knows SQLite but no table; `circuit query`'s help shows what users
// type.
bool may_have_sql(const fs::path& relative) {
  const std::string folder = relative.begin()->string();
  const std::string name = relative.filename().string();
  const bool is_test = name.size() > 8 && name.compare(name.size() - 8, 8, "_test.cc") == 0;
  return folder == "store" || folder == "io" || is_test || relative == "cli/query.cc";
}

// "file:line: …" for each include of SQLite and each string with SQL, or with a table's name, outside the store.
std::vector<std::string> sql_outside_store(const std::string& root) {
  static const std::regex kSqlite(R"re(^\s*#\s*include\s*["<](io/sqlite\.h|sqlite3\.h|store/schema\.h)[">])re");
  static const std::regex kText(R"re("([^"\\]|\\.)*")re");
  static const std::regex kSql(
      R"re(\b(SELECT|INSERT|UPDATE|DELETE|FROM|WHERE|JOIN|PRAGMA|CREATE (TABLE|VIEW))\b|\b(circuit_edges|slice_norms|sqlite_master)\b|\b(meta|steps|discoveries|evaluations)\.[a-z])re");
  std::vector<std::string> found;
  for (const auto& item : fs::recursive_directory_iterator(root)) {
    const std::string extension = item.path().extension().string();
    const fs::path relative = item.path().lexically_relative(root);
    if ((extension != ".h" && extension != ".cc") || may_have_sql(relative)) continue;
    std::istringstream lines(read_file(item.path().string()));
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
      const std::string place = relative.string() + ":" + std::to_string(++number) + ": ";
      if (std::regex_search(line, kSqlite)) found.push_back(place + "includes SQLite or the tables");
      for (std::sregex_iterator text(line.begin(), line.end(), kText), end; text != end; ++text) {
        const std::string string = text->str();
        if (std::regex_search(string, kSql)) found.push_back(place + "knows SQL or a table: " + string);
      }
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

// "file: header" for each include of ours in src/folder that begins with none of `allowed`.
std::vector<std::string> strangers(const std::string& folder, const std::vector<std::string>& allowed) {
  static const std::regex kInclude(R"re(^\s*#\s*include\s*"([^"]+)")re");
  const std::string root = std::string(CIRCUIT_SOURCE_DIR) + "/src/";
  std::vector<std::string> found;
  for (const auto& item : fs::recursive_directory_iterator(root + folder)) {
    if (!item.is_regular_file()) continue;
    std::istringstream lines(read_file(item.path().string()));
    for (std::string line; std::getline(lines, line);) {
      std::smatch match;
      if (!std::regex_search(line, match, kInclude)) continue;
      const std::string header = match[1].str();
      const bool known = std::any_of(allowed.begin(), allowed.end(),
                                     [&](const std::string& start) { return header.rfind(start, 0) == 0; });
      if (!known) found.push_back(item.path().lexically_relative(root).string() + ": " + header);
    }
  }
  return found;
}

TEST(Layering, TheStoreNeedsNoMoreThanGraphs) {
  EXPECT_THAT(strangers("store", {"core/", "io/", "graph/", "store/"}), testing::IsEmpty());
}

TEST(Layering, APageKnowsTheKitAndNoOtherPage) {
  const std::vector<std::string> below{"core/", "io/", "store/", "evaluation/", "report/kit/"};
  for (const std::string page : {"kit", "run_page", "live", "evaluation_page", "sweep_page"}) {
    std::vector<std::string> allowed = below;
    allowed.push_back("report/" + page + "/");
    if (page == "live") allowed.emplace_back("report/run_page/");  // that is what it serves
    EXPECT_THAT(strangers("report/" + page, allowed), testing::IsEmpty());
  }
}

TEST(Layering, OnlyTheStoreKnowsATable) {
  EXPECT_THAT(sql_outside_store(std::string(CIRCUIT_SOURCE_DIR) + "/src"), testing::IsEmpty());
}

TEST(Layering, TheCheckOfTablesNamesFileAndLine) {
  const ScratchFolder scratch;
  make_directories(scratch / "report");
  make_directories(scratch / "store");
  const std::string text =
      "#include \"io/sqlite.h\"\nauto a = \"SELECT 1\";\nauto b = \"from meta\" + \"circuit_edges\";\n";
  write_file(scratch / "report/a.cc", text);
  write_file(scratch / "report/a_test.cc", text);
  write_file(scratch / "store/a.cc", text);
  EXPECT_THAT(sql_outside_store(scratch.path()),
              testing::ElementsAre("report/a.cc:1: includes SQLite or the tables",
                                   "report/a.cc:2: knows SQL or a table: \"SELECT 1\"",
                                   "report/a.cc:3: knows SQL or a table: \"circuit_edges\""));
}

// Sources of src/ as (path below it, text).
std::vector<std::pair<std::string, std::string>> sources() {
  const std::string root = std::string(CIRCUIT_SOURCE_DIR) + "/src";
  std::vector<std::pair<std::string, std::string>> all;
  for (const auto& item : fs::recursive_directory_iterator(root)) {
    const std::string extension = item.path().extension().string();
    if (extension != ".h" && extension != ".cc") continue;
    all.emplace_back(item.path().lexically_relative(root).string(), read_file(item.path().string()));
  }
  return all;
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// A library says a setting's name (core/setting_name.h); how that is written is the command line's matter.
TEST(Layering, NoLibraryNamesACommandLineFlag) {
  static const std::regex kFlag(R"re("[^"\n]*--[a-z])re");
  std::vector<std::string> found;
  for (const auto& [path, text] : sources()) {
    // browser.h drives Chromium, which has flags of its own.
    if (path.rfind("cli/", 0) == 0 || ends_with(path, "_test.cc") || path == "report/kit/browser.h") continue;
    std::istringstream lines(text);
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
      ++number;
      const std::string code = line.substr(0, line.find("//"));
      if (std::regex_search(code, kFlag)) found.push_back(path + ":" + std::to_string(number));
    }
  }
  EXPECT_THAT(found, testing::IsEmpty());
}

TEST(Layering, FilesAreOneConceptLong) {
  constexpr int64_t kLongest = 400;
  constexpr int64_t kMedian = 120;
  std::vector<int64_t> lengths;
  for (const auto& [path, text] : sources()) {
    lengths.push_back(std::count(text.begin(), text.end(), '\n'));
    EXPECT_LE(lengths.back(), kLongest) << path;
  }
  std::nth_element(lengths.begin(), lengths.begin() + static_cast<std::ptrdiff_t>(lengths.size() / 2), lengths.end());
  EXPECT_LE(lengths[lengths.size() / 2], kMedian);
}

// It parses, calls one library function and prints.
TEST(Layering, TheCommandLineIsSmall) {
  constexpr int64_t kMost = 2000;
  int64_t lines = 0;
  for (const auto& [path, text] : sources()) {
    if (path.rfind("cli/", 0) == 0) lines += std::count(text.begin(), text.end(), '\n');
  }
  EXPECT_LE(lines, kMost);
}

TEST(Layering, TheCheckNamesFileAndLine) {
  const ScratchFolder scratch;
  const auto write = [&](const std::string& name, const std::string& text) {
    make_directories(fs::path(scratch / name).parent_path().string());
    write_file(scratch / name, text);
  };
  write("core/a.h", "#pragma once\n#include <vector>\n#include \"core/b.h\"\n#include \"io/json.h\"\n");
  write("io/json.h", "#include \"core/a.h\"\n");
  write("model/families/f.cc", "#include \"graph/graph.h\"\n#include \"families/family.h\"\n");
  write("extra/x.cc", "#include \"core/a.h\"\n");
  EXPECT_THAT(violations(scratch.path()),
              testing::ElementsAre("core/ and io/ include each other",
                                   "core/a.h:4: core/ includes io/json.h, which comes after it",
                                   "extra/x.cc:1: extra/ is not in the order",
                                   "model/families/f.cc:1: model/ includes graph/graph.h, which comes after it",
                                   "model/families/f.cc:2: \"families/family.h\" names no folder of src/"));
}

}  // namespace
}  // namespace circuit
