#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <limits>

#include "core/error.h"
#include "io/crc32c.h"
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

ino_t inode_of(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

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
  EXPECT_NE(message_of([] { parse_json("{\"a\":1,\"a\":2}", "c.json"); }).find("'a' appears twice"), std::string::npos);
  EXPECT_NE(message_of([] { parse_json(std::string(100000, '['), "c.json"); }).find("deeper"), std::string::npos);
}

TEST(Json, SameKeyInSiblingObjectsIsFine) {
  EXPECT_EQ(parse_json(R"({"x":{"a":1},"y":{"a":2},"z":[{"a":1},{"a":2}]})", "c").size(), 3u);
}

TEST(Json, WordsOfPythonForNoNumberAreRefusedByKeyOrKept) {
  const std::string text = R"({"a": {"b": [1, -Infinity]}, "c": "NaN, \"Infinity", "d": 2})";
  EXPECT_NE(message_of([&] { parse_json(text, "f"); }).find("[f] a.b[1]: found -Infinity, expected a number"),
            std::string::npos);
  const Json kept = parse_json(text, "f", NonFinite::kKeep);
  EXPECT_EQ(kept["a"]["b"][1].get<double>(), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(kept["c"], "NaN, \"Infinity");
  EXPECT_TRUE(std::isnan(parse_json(R"({"x":NaN})", "f", NonFinite::kKeep)["x"].get<double>()));
  EXPECT_NE(message_of([] { parse_json(R"({"x": 1e999})", "f"); }).find("x: found Infinity"), std::string::npos);
  EXPECT_NE(message_of([] { parse_json(R"({"x": NaN, "y": })", "f"); }).find("not valid JSON at line 1"),
            std::string::npos);
  EXPECT_NE(message_of([] { parse_json(R"({"x": nan})", "f"); }).find("not valid JSON"), std::string::npos);
}

TEST(Json, NumbersThatAreUsedAreFiniteAndIntegersFit) {
  const Json json =
      parse_json(R"({"x": NaN, "big": 18446744073709551615, "most": 9223372036854775807})", "f", NonFinite::kKeep);
  EXPECT_NE(message_of([&] { optional_number(json, "x", 0, "f"); }).find("x: found NaN, expected a finite number"),
            std::string::npos);
  EXPECT_NE(message_of([&] { require_number(json, "x", "f"); }).find("x: found NaN"), std::string::npos);
  EXPECT_NE(
      message_of([&] { require_int(json, "big", "f"); }).find("big: found 18446744073709551615, expected at most"),
      std::string::npos);
  EXPECT_NE(message_of([&] { optional_int(json, "big", 0, "f"); }).find("big: found"), std::string::npos);
  EXPECT_EQ(require_int(json, "most", "f"), INT64_MAX);
}

TEST(JsonLines, ErrorsNameTheLine) {
  int records = 0;
  each_json_line("{\"a\":1}\n\n{\"a\":2}\r\n", "d.jsonl", [&](const Json&, const std::string&) { ++records; });
  EXPECT_EQ(records, 2);
  EXPECT_NE(message_of([] {
              each_json_line("{}\n[1]\n", "d.jsonl", [](const Json&, const std::string&) {});
            }).find("d.jsonl:2"),
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

// The old folder must be whole until the new one stands in its place: what fill sees, and what stays when it fails.
TEST_F(TemporaryFolder, ReplacingAFolderKeepsTheOldOneUntilTheNewOneIsWhole) {
  const auto write = [&](const std::string& content) {
    write_directory(path("d"), IfExists::kReplace, [&](const std::string& folder) {
      if (file_exists(path("d"))) {
        EXPECT_EQ(read_file(path("d/a")), "1");
      }
      write_file(folder + "/a", content);
      if (content == "bad") throw std::runtime_error("stop");
    });
  };
  write("1");
  EXPECT_THROW(write("bad"), std::runtime_error);
  EXPECT_EQ(read_file(path("d/a")), "1");
  EXPECT_EQ(entries(), 1);
  const ino_t before = inode_of(path("d"));
  write("2");
  EXPECT_EQ(read_file(path("d/a")), "2");
  EXPECT_NE(inode_of(path("d")), before);
  EXPECT_EQ(entries(), 1);
}

// A process killed at any moment while it replaces a folder again and again: one whole version is always there.
TEST_F(TemporaryFolder, AKilledReplacementLeavesOneOfTheTwoFolders) {
  const auto write = [&](int version) {
    write_directory(path("d"), IfExists::kReplace, [&](const std::string& folder) {
      write_file(folder + "/a", std::to_string(version));
      write_file(folder + "/b", std::to_string(version));
    });
  };
  write(0);
  for (int round = 0; round < 10; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      for (int version = 1;; ++version) write(version);
    }
    usleep(static_cast<useconds_t>(2000 + 1700 * round));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    ASSERT_TRUE(file_exists(path("d/a"))) << round;
    EXPECT_EQ(read_file(path("d/a")), read_file(path("d/b")));
  }
}

TEST_F(TemporaryFolder, ANewFolderNeverTakesThePlaceOfAnother) {
  EXPECT_THROW(write_directory(path("d"), IfExists::kRefuse,
                               [&](const std::string& folder) {
                                 write_file(folder + "/a", "1");
                                 fs::create_directories(path("d"));  // by another process, meanwhile
                               }),
               Error);
  EXPECT_TRUE(fs::is_empty(path("d")));
  EXPECT_EQ(entries(), 1);
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

// Whether `action` returns true for somebody who may not write here; as root, who may everything, a child asks as
// nobody.
bool as_reader(const std::function<bool()>& action) {
  constexpr uid_t kNobody = 65534;
  const pid_t child = fork();
  if (child == 0) {
    const bool lowered = geteuid() != 0 || setuid(kNobody) == 0;
    try {
      _exit(lowered && action() ? 0 : 1);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      _exit(1);
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int64_t rows_in(const std::string& path) {
  Database db(path, Database::Mode::kReadOnly);
  Statement row = db.prepare("SELECT count(*) FROM t");
  return row.step() ? row.integer(0) : -1;
}

class ReadOnlyFolder : public TemporaryFolder {
 protected:
  void SetUp() override {
    TemporaryFolder::SetUp();
    fs::create_directories(path("run #1"));
    Database db(file(), Database::Mode::kCreate);
    db.execute("CREATE TABLE t(a); INSERT INTO t VALUES(1), (2)");
  }
  void TearDown() override {
    fs::permissions(path("run #1"), fs::perms::owner_all);
    TemporaryFolder::TearDown();
  }
  static void lock(const std::string& folder) { fs::permissions(folder, static_cast<fs::perms>(0555)); }
  void lock() const { lock(path("run #1")); }
  std::string file() const { return path("run #1/run.db"); }
};

TEST_F(ReadOnlyFolder, IsReadWhereTheLogWasLeft) {
  lock();
  EXPECT_TRUE(as_reader([&] { return rows_in(file()) == 2; }));
}

TEST_F(ReadOnlyFolder, IsReadWhereTheLogWasClosed) {
  Database(file(), Database::Mode::kReadWrite).close_log();
  lock();
  EXPECT_TRUE(as_reader([&] { return rows_in(file()) == 2; }));
}

TEST_F(ReadOnlyFolder, IsReadBesideAWriter) {
  Database writer(file(), Database::Mode::kReadWrite);
  writer.execute("INSERT INTO t VALUES(3)");
  lock();
  EXPECT_TRUE(as_reader([&] { return rows_in(file()) == 3; }));
}

TEST_F(ReadOnlyFolder, WithALogButNotItsIndexSaysToCopyIt) {
  const auto names = {"", "-wal"};
  fs::create_directories(path("copy"));
  {
    Database writer(file(), Database::Mode::kReadWrite);
    writer.execute("INSERT INTO t VALUES(3)");
    for (const char* suffix : names) fs::copy_file(file() + suffix, path("copy/run.db") + suffix);
  }
  lock(path("copy"));
  EXPECT_TRUE(as_reader(
      [&] { return message_of([&] { rows_in(path("copy/run.db")); }).find("Copy the folder") != std::string::npos; }));
  fs::permissions(path("copy"), fs::perms::owner_all);
}

TEST_F(ReadOnlyFolder, ReadingLeavesNoFileAndWritesNothing) {
  EXPECT_EQ(rows_in(file()), 2);
  EXPECT_EQ(std::distance(fs::directory_iterator(path("run #1")), fs::directory_iterator()), 1);
  Database db(file(), Database::Mode::kReadOnly);
  EXPECT_NE(message_of([&] { db.execute("DELETE FROM t"); }), "");
}

TEST_F(ReadOnlyFolder, ReadingWhatAKilledWriterLeftChangesNoFile) {
  {
    Database writer(file(), Database::Mode::kReadWrite);
    writer.execute("INSERT INTO t VALUES(3)");
    fs::create_directories(path("copy"));
    for (const char* suffix : {"", "-wal"}) fs::copy_file(file() + suffix, path("copy/run.db") + suffix);
  }
  const std::string before = read_file(path("copy/run.db"));
  const std::string log = read_file(path("copy/run.db-wal"));
  EXPECT_EQ(rows_in(path("copy/run.db")), 3);
  EXPECT_EQ(read_file(path("copy/run.db")), before);
  EXPECT_EQ(read_file(path("copy/run.db-wal")), log);
}

TEST(Crc32c, MatchesThePublishedVectors) {  // RFC 3720, B.4; the last is the usual check value
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  std::string rising;
  for (char c = 0; c < 32; ++c) rising += c;
  EXPECT_EQ(crc32c(rising), 0x46DD794EU);
  EXPECT_EQ(crc32c(std::string(rising.rbegin(), rising.rend())), 0x113FDB5CU);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
}

TEST(AtomicFile, KeepsLinksAndDevices) {
  const std::string folder = testing::TempDir() + "/circuit_links_" + std::to_string(getpid());
  std::filesystem::create_directories(folder);
  write_file(folder + "/file", "old");
  std::filesystem::create_symlink("file", folder + "/link");
  write_file(folder + "/link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder + "/link"));
  EXPECT_EQ(read_file(folder + "/file"), "new");
  write_file("/dev/null", "gone");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  EXPECT_THROW(write_file("/dev/full", "never"), Error);
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace circuit
