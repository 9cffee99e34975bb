// What the tests of the pair makers share: a tokenizer of whole words.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "io/files.h"
#include "task/pair_makers/pair_maker.h"
#include "text/byte_alphabet.h"

namespace circuit {

struct MadePairs {
  PairReport report;
  std::vector<Json> records;
};

class PairMakers : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text) {
    write_file(folder_ + "/" + name, text);
    return folder_ + "/" + name;
  }
  using WordOptions = std::map<std::string, std::vector<std::string>>;
  MadePairs make(const std::string& kind, const std::string& text, const WordOptions& words = {}, uint64_t seed = 0) {
    MadePairs made;
    const std::string path = write(text[0] == '{' ? "in.jsonl" : "in.txt", text);
    made.report = make_pairs(path, find_pair_maker(kind), {tokenizer_, words, seed},
                             [&](const Json& record) { made.records.push_back(record); });
    EXPECT_EQ(made.report.records, static_cast<int64_t>(made.records.size()));
    for (const Json& record : made.records) expect_aligned(record);
    return made;
  }
  // What every maker owes: a record that `discover` reads, its counterfactual as long, and different before a readout.
  void expect_aligned(const Json& record) {
    const Example e = read_record(record, "record", tokenizer_, {});
    EXPECT_EQ(e.ids.size(), e.counterfactual_ids.size()) << record;
    ASSERT_FALSE(e.readouts.empty());
    EXPECT_FALSE(std::equal(e.ids.begin(), e.ids.begin() + e.readouts.back().position, e.counterfactual_ids.begin()))
        << record;
  }
  // The reason why no pair is made of a line.
  std::string reason(const std::string& kind, const std::string& line, const WordOptions& words = {}) {
    const MadePairs made = make(kind, line + "\n", words);
    if (!made.records.empty()) return "made: " + made.records[0].dump();
    if (made.report.refused.size() != 1) return "refused for several reasons";
    return made.report.refused.begin()->first;
  }
  std::string error(const std::string& kind, const std::string& text, const WordOptions& words = {}) {
    try {
      make(kind, text, words);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  // Each word is a token with the space before it ("Ġkeys"), and without; all else is bytes.
  static std::string words_json() {
    Json vocabulary;
    int64_t id = 0;
    for (size_t byte = 0; byte < 256; ++byte) vocabulary[byte_characters()[byte]] = id++;
    std::istringstream words(
        "the The this these that those This These key keys man men boy boys house houses door near old is are was were "
        "has have does do hums hum Mary John Tom Anna Paul gave 47 52 61 red blue");
    for (std::string word; words >> word;) {
      vocabulary[word] = id++;
      vocabulary["Ġ" + word] = id++;
    }
    return Json{{"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
                {"decoder", {{"type", "ByteLevel"}}},
                {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", Json::array()}, {"ignore_merges", true}}}}
        .dump();
  }
  std::string folder_ = testing::TempDir() + "/circuit_pair_makers_" + std::to_string(getpid());
  LazyTokenizer tokenizer_{[this] {
    std::filesystem::create_directories(folder_);
    return write("tokenizer.json", words_json());
  }()};
};

}  // namespace circuit
