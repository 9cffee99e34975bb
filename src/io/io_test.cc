#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "io/sha256.h"
#include "io/sqlite.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

class TemporaryFolder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("circuit-io-test-" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  int entries() const {
    return static_cast<int>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  fs::path folder_;
};

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string safetensors(const std::string& header, const std::string& data) {
  std::string length(8, '\0');
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> (8 * i) & 0xFF);
  return length + header + data;
}

std::string refusal(const std::string& header, const std::string& data) {
  return message_of([&] { parse_safetensors(safetensors(header, data), "m.safetensors"); });
}

TEST(Utf8, RefusesOverlongSurrogatesAndTruncation) {
  EXPECT_TRUE(is_valid_utf8("aé漢😀"));
  EXPECT_FALSE(is_valid_utf8("\xC0\xAF"));
  EXPECT_FALSE(is_valid_utf8("\xED\xA0\x80"));
  EXPECT_FALSE(is_valid_utf8("\xE6\xBC"));
  EXPECT_FALSE(is_valid_utf8("\xFF"));
}

TEST(Json, ErrorsSayLineAndColumn) {
  EXPECT_EQ(message_of([] { parse_json("{\n \"a\": }", "c.json"); }), "[c.json] not valid JSON at line 2, column 7.");
  EXPECT_NE(message_of([] { parse_json("{\"a\": \"\xFF\"}", "c.json"); }).find("invalid UTF-8"), std::string::npos);
  EXPECT_NE(message_of([] { parse_json("{\"a\":1,\"a\":2}", "c.json"); }).find("'a' appears twice"),
            std::string::npos);
  EXPECT_NE(message_of([] { parse_json(std::string(100000, '['), "c.json"); }).find("deeper"), std::string::npos);
}

TEST(Json, SameKeyInSiblingObjectsIsFine) {
  EXPECT_EQ(parse_json(R"({"x":{"a":1},"y":{"a":2},"z":[{"a":1},{"a":2}]})", "c").size(), 3u);
}

TEST(JsonLines, ErrorsNameTheLine) {
  int records = 0;
  each_json_line("{\"a\":1}\n\n{\"a\":2}\r\n", "d.jsonl", [&](const Json&, const std::string&) { ++records; });
  EXPECT_EQ(records, 2);
  EXPECT_NE(message_of([] { each_json_line("{}\n[1]\n", "d.jsonl", [](const Json&, const std::string&) {}); })
                .find("d.jsonl:2"),
            std::string::npos);
}

TEST(Safetensors, RefusesHostileHeaders) {
  const std::string ok = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  EXPECT_EQ(refusal(ok, std::string(8, 'x')), "");
  EXPECT_NE(refusal(ok, std::string(7, 'x')).find("truncated"), std::string::npos);
  EXPECT_NE(refusal(ok, std::string(9, 'x')).find("after the last tensor"), std::string::npos);
  EXPECT_NE(refusal(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", std::string(8, 'x')).find("'a'"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"a":{"dtype":"Q4","shape":[2],"data_offsets":[0,8]}})", std::string(8, 'x')).find("Q4"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", std::string(8, 'x')), "");
  EXPECT_NE(
      refusal(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})", "").find("overflow"),
      std::string::npos);
  EXPECT_NE(refusal(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},
                        "b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                    "xyz")
                .find("overlap"),
            std::string::npos);
  EXPECT_NE(message_of([] { parse_safetensors("abc", "m"); }), "");
  EXPECT_NE(message_of([] { parse_safetensors(std::string(8, '\xFF') + "{}", "m"); }).find("header length"),
            std::string::npos);
}

TEST_F(TemporaryFolder, SafetensorsRoundTrip) {
  const float values[3] = {1, 2, 3};
  const int64_t id = 7;
  write_safetensors(path("m.safetensors"), {{"b", "F32", {3}, values}, {"a", "I64", {}, &id}}, {{"format", "pt"}});
  const std::string bytes = read_file(path("m.safetensors"));
  const SafetensorsHeader header = parse_safetensors(bytes, "m");
  ASSERT_EQ(header.tensors.size(), 2u);
  EXPECT_EQ(header.tensors[0].name, "b");
  EXPECT_EQ(header.metadata.at("format"), "pt");
  EXPECT_EQ(std::string(bytes, header.tensors[0].begin, 12), std::string(reinterpret_cast<const char*>(values), 12));
  EXPECT_EQ(header.tensors[0].begin % 8, 0u);
}

TEST_F(TemporaryFolder, AtomicFileLeavesNothingWithoutCommit) {
  {
    AtomicFile file(path("out"));
    file.write("half");
  }
  EXPECT_EQ(entries(), 0);
  write_file(path("out"), "whole");
  EXPECT_EQ(read_file(path("out")), "whole");
  EXPECT_EQ(entries(), 1);
}

TEST_F(TemporaryFolder, WriteDirectoryIsAllOrNothing) {
  EXPECT_THROW(write_directory(path("d"), IfExists::kRefuse,
                               [](const std::string& folder) {
                                 write_file(folder + "/a", "1");
                                 fail("test", "stop");
                               }),
               Error);
  EXPECT_EQ(entries(), 0);
  write_directory(path("d"), IfExists::kRefuse, [](const std::string& folder) { write_file(folder + "/a", "1"); });
  EXPECT_THROW(write_directory(path("d"), IfExists::kRefuse, [](const std::string&) {}), Error);
  write_directory(path("d"), IfExists::kReplace, [](const std::string& folder) { write_file(folder + "/b", "2"); });
  EXPECT_FALSE(file_exists(path("d/a")));
  EXPECT_EQ(read_file(path("d/b")), "2");
}

TEST(DiskFull, IsOneLineAndLeavesNothing) {
  if (!file_exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const std::string message = message_of([] { write_file("/dev/full/x", "y"); });
  EXPECT_NE(message.find("/dev/full/x"), std::string::npos);
}

TEST(Sha256, MatchesTheStandardsExample) {
  EXPECT_EQ(sha256_hex("abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_F(TemporaryFolder, SqliteTransactionsRollBack) {
  Database db(path("run.db"), Database::Mode::kCreate);
  db.execute("CREATE TABLE t(a INTEGER, b BLOB)");
  {
    Transaction t(db);
    db.prepare("INSERT INTO t VALUES(?, ?)").bind(1, int64_t{1}).bind_blob(2, "xy", 2).run();
  }
  {
    Transaction t(db);
    db.prepare("INSERT INTO t VALUES(?, ?)").bind(1, int64_t{2}).bind_blob(2, "xyz", 3).run();
    t.commit();
  }
  Statement rows = db.prepare("SELECT a, b FROM t");
  ASSERT_TRUE(rows.step());
  EXPECT_EQ(rows.integer(0), 2);
  EXPECT_EQ(rows.blob(1), "xyz");
  EXPECT_FALSE(rows.step());
  EXPECT_NE(message_of([&] { db.execute("SELEKT"); }).find("run.db"), std::string::npos);
}

}  // namespace
}  // namespace circuit
