#include "store/migrations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "core/error.h"
#include "io/files.h"
#include "store/query.h"
#include "store/recorder.h"
#include "store/run_reader.h"
#include "store/run_view.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// Made up: 2 has a column more, 3 another name for it.
const Migrations kMadeUp{
    {"steps have a temperature", Migration::Readers::kReadBoth, "ALTER TABLE steps ADD COLUMN heat REAL"},
    {"heat is called temperature", Migration::Readers::kReadNewOnly,
     "ALTER TABLE steps RENAME COLUMN heat TO temperature"}};

class Versions : public testing::Test {
 protected:
  void SetUp() override {
    run_ = (fs::temp_directory_path() / ("circuit-versions-" + std::to_string(getpid()))).string();
    fs::remove_all(run_);
    fs::create_directories(run_);
    Architecture shape;
    shape.n_layers = 1;
    shape.n_heads = shape.n_kv_heads = 1;
    graph_.emplace(shape, KeyValueNodes::kGrouped);
    Recorder::create(path(), *graph_, {}, {{"created", "2026-01-02T03:04:05Z"}});
  }
  void TearDown() override { fs::remove_all(run_); }

  std::string path() const { return run_ + "/run.db"; }
  void change(const std::string& sql) const {
    Database db(path(), Database::Mode::kReadWrite);
    db.execute(sql);
    db.close_log();
  }
  void set_version(const std::string& version) const {
    change("UPDATE meta SET value = '" + version + "' WHERE key = 'schema_version'");
  }
  std::string version() const { return recorded_meta(run_, "schema_version"); }
  std::string columns() const {
    Database db(path(), Database::Mode::kReadOnly);
    Statement rows = db.prepare("SELECT group_concat(name) FROM pragma_table_info('steps')");
    rows.step();
    return rows.text(0);
  }
  void bring_up_to(const Migrations& steps) const {
    Database db(path(), Database::Mode::kReadWrite);
    migrate(db, steps);
    db.close_log();
  }

  std::string run_;
  std::optional<Graph> graph_;
};

TEST_F(Versions, AFreshRunIsOfTheNewest) { EXPECT_EQ(version(), std::to_string(newest_version())); }

TEST_F(Versions, AnOlderRunTakesTheStepsItHasNotTaken) {
  const std::string before = columns();
  Migrations first{kMadeUp[0]};
  bring_up_to(first);
  EXPECT_EQ(columns(), before + ",heat");
  bring_up_to(kMadeUp);
  EXPECT_EQ(columns(), before + ",temperature");
  Database db(path(), Database::Mode::kReadOnly);
  EXPECT_EQ(schema_version(db, "here", kMadeUp), 3);
}

TEST_F(Versions, ARunWithoutAVersionIsOfTheFirst) {
  change("DELETE FROM meta WHERE key = 'schema_version'");
  bring_up_to(kMadeUp);
  Database db(path(), Database::Mode::kReadOnly);
  EXPECT_EQ(schema_version(db, "here", kMadeUp), 3);
}

TEST_F(Versions, AStepIsTakenWholeOrNotAtAll) {
  Migrations broken{kMadeUp[0], {"", Migration::Readers::kReadBoth, "DROP TABLE slices; DROP TABLE nowhere"}};
  EXPECT_THAT(message_of([&] { bring_up_to(broken); }), HasSubstr("nowhere"));
  Database db(path(), Database::Mode::kReadOnly);
  EXPECT_EQ(schema_version(db, "here", broken), 2);
  EXPECT_NO_THROW(db.prepare("SELECT * FROM slices"));
}

TEST_F(Versions, AReaderTakesAnOlderRunAsItIsOrSaysWhatToDo) {
  Database db(path(), Database::Mode::kReadOnly);
  EXPECT_NO_THROW(check_readable(db, "here", {kMadeUp[0]}));
  EXPECT_EQ(message_of([&] { check_readable(db, "here", kMadeUp); }),
            "[here] schema version: found 1, expected 3 (heat is called temperature). Resume the run, which brings it "
            "up to date, or read it with the program that wrote it.");
}

TEST_F(Versions, ANewerRunIsRefusedByAllAndStaysAsItIs) {
  set_version("7");
  const std::string bytes = read_file(path());
  const std::string refusal = "[" + path() +
                              "] schema version: found 7, and this program knows 1 at most. Read it with the program "
                              "that wrote it.";
  EXPECT_EQ(message_of([&] { Recorder(path(), *graph_, 0); }), refusal);
  EXPECT_EQ(message_of([&] { RunReader reader(run_); }), refusal);
  EXPECT_EQ(message_of([&] { read_run_view(run_, 1); }), refusal);
  EXPECT_EQ(message_of([&] { query_run(run_, "SELECT 1", {}, {}); }), refusal);
  EXPECT_EQ(message_of([&] { RunReader(run_, "report x"); }).rfind("[report x] schema version: found 7", 0), 0U);
  EXPECT_EQ(read_file(path()), bytes);
}

TEST_F(Versions, WhatIsNoVersionIsNamed) {
  set_version("new");
  EXPECT_EQ(message_of([&] { RunReader reader(run_); }),
            "[" + path() + "] schema version: found 'new', expected a number from 1 to 1.");
}

}  // namespace
}  // namespace circuit
