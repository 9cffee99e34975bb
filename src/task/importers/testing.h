// What the tests of the importers share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "core/error.h"
#include "io/files.h"
#include "task/importers/importer.h"
#include "task/records.h"

namespace circuit {

using Counts = std::map<std::string, int64_t>;

// Published files; absent on most machines.
inline const std::string kShared = std::string(CIRCUIT_SOURCE_DIR) + "/../shared/data/";

struct Imported {
  ImportReport report;
  std::vector<Json> records;
};

inline Imported import_files(const std::string& format, const std::vector<std::string>& files,
                             const ImportOptions& options = {}) {
  Imported result;
  result.report =
      find_importer(format).import(files, options, [&](const Json& record) { result.records.push_back(record); });
  // What every importer owes: each row is a record or counted as refused.
  const int64_t refused = std::accumulate(result.report.refused.begin(), result.report.refused.end(), int64_t{0},
                                          [](int64_t sum, const auto& entry) { return sum + entry.second; });
  EXPECT_EQ(result.report.rows, result.report.records + refused);
  EXPECT_EQ(result.report.records, static_cast<int64_t>(result.records.size()));
  return result;
}

class Importers : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text) {
    write_file(folder_ + "/" + name, text);
    return folder_ + "/" + name;
  }
  // The message of the Error that importing gives; empty when there is none.
  std::string refusal(const std::string& format, const std::string& text) {
    try {
      import_files(format, {write("bad", text)}, {&letters_, AnswerForm::kPromptCompletion});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  // Records as the reader of records understands them, with the tokenizer of letters.
  Dataset read(const std::vector<Json>& records) {
    std::string lines;
    for (const Json& record : records) lines += record.dump() + "\n";
    return read_dataset(write("records.jsonl", lines), LazyTokenizer(write("letters.json", letters_json())), {});
  }
  // One token a letter (ids 0 … 25, 26 …), but " is" 60, " are" 61.
  static std::string letters_json() {
    Json vocabulary;
    int64_t id = 0;
    for (char c = 'a'; c <= 'z'; ++c) vocabulary[std::string(1, c)] = id++;
    for (const char* token : {" ", ".", "'", " i", " a", " ar"}) vocabulary[token] = id++;
    vocabulary[" is"] = 60;
    vocabulary[" are"] = 61;
    Json merges = Json::array();
    for (const auto& [left, right] : std::vector<std::pair<std::string, std::string>>{
             {" ", "i"}, {" i", "s"}, {" ", "a"}, {" a", "r"}, {" ar", "e"}}) {
      merges.push_back(Json::array({left, right}));
    }
    return Json{{"decoder", {{"type", "Fuse"}}},
                {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", merges}}}}
        .dump();
  }
  std::string folder_ = testing::TempDir() + "/circuit_importers_" + std::to_string(getpid());
  Tokenizer letters_ = [this] {
    std::filesystem::create_directories(folder_);
    return Tokenizer::load(write("tokenizer.json", letters_json()));
  }();
};

}  // namespace circuit
