// The loggers' files, read by a reader of the published formats of its own, hold the rows of run.db and
// nothing twice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <filesystem>

#include "io/files.h"
#include "io/json.h"
#include "io/sqlite.h"
#include "tests/refusal.h"
#include "tests/tiny_run.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

// CRC-32C bit by bit, from its definition.
uint32_t checksum(const std::string& bytes) {
  uint32_t value = 0xFFFFFFFF;
  for (const char c : bytes) {
    value ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) value = (value & 1) != 0 ? value >> 1 ^ 0x82F63B78 : value >> 1;
  }
  value = ~value;
  return (value >> 15 | value << 17) + 0xA282EAD8;  // TFRecord's mask
}

template <class T>
T number_at(const std::string& bytes, size_t at) {
  T value{};
  EXPECT_LE(at + sizeof value, bytes.size());
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// One field of a protocol buffer: its number, its wire type, and its bytes (of a varint: the value in eight).
struct Field {
  int number, type;
  std::string bytes;
};

std::vector<Field> fields_of(const std::string& message) {
  std::vector<Field> fields;
  size_t at = 0;
  const auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(message.at(at++));
      value |= uint64_t{byte & 0x7FU} << shift;
      if ((byte & 0x80) == 0) return value;
    }
  };
  while (at < message.size()) {
    const uint64_t key = varint();
    Field field{static_cast<int>(key >> 3), static_cast<int>(key & 7), ""};
    size_t size = 0;
    if (field.type == 0) {
      const uint64_t value = varint();
      field.bytes.assign(reinterpret_cast<const char*>(&value), sizeof value);
    } else {
      if (field.type == 1) size = 8;
      if (field.type == 5) size = 4;
      if (field.type == 2) size = varint();
      field.bytes = message.substr(at, size);
      EXPECT_EQ(field.bytes.size(), size);
      at += size;
    }
    fields.push_back(field);
  }
  return fields;
}

using Points = std::vector<std::pair<int64_t, float>>;
struct Events {
  std::string version;
  std::map<std::string, Points> scalars;  // by tag
  std::vector<double> times;
};

Events read_events(const std::string& path) {
  const std::string file = read_file(path);
  Events events;
  for (size_t at = 0; at < file.size();) {
    const auto length = number_at<uint64_t>(file, at);
    EXPECT_EQ(number_at<uint32_t>(file, at + 8), checksum(file.substr(at, 8)));
    const std::string data = file.substr(at + 12, length);
    EXPECT_EQ(number_at<uint32_t>(file, at + 12 + length), checksum(data));
    at += 16 + length;
    int64_t step = -1;
    for (const Field& field : fields_of(data)) {
      if (field.number == 1) {  // wall_time, double
        EXPECT_EQ(field.type, 1);
        events.times.push_back(number_at<double>(field.bytes, 0));
      } else if (field.number == 2) {  // step, int64
        EXPECT_EQ(field.type, 0);
        step = number_at<int64_t>(field.bytes, 0);
      } else if (field.number == 3) {  // file_version, string
        EXPECT_EQ(field.type, 2);
        events.version = field.bytes;
      } else {
        EXPECT_EQ(field.number, 5);  // summary
        for (const Field& value : fields_of(field.bytes)) {
          EXPECT_EQ(value.number, 1);
          const std::vector<Field> parts = fields_of(value.bytes);
          EXPECT_EQ(parts.size(), 2U);
          EXPECT_EQ(parts[0].number, 1);  // tag, string
          EXPECT_EQ(parts[1].number, 2);  // simple_value, float
          EXPECT_EQ(parts[1].type, 5);
          events.scalars[parts[0].bytes].emplace_back(step, number_at<float>(parts[1].bytes, 0));
        }
      }
    }
  }
  return events;
}

std::string event_file(const std::string& run) {
  const fs::directory_iterator files(run + "/tensorboard");
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
  return fs::directory_iterator(run + "/tensorboard")->path().string();
}

// (step, value) of a column or evaluation where it is not NULL, by step.
Points points_of(const std::string& run, const std::string& sql) {
  Database db(run + "/run.db", Database::Mode::kReadOnly);
  Statement rows = db.prepare(sql);
  Points points;
  while (rows.step()) points.emplace_back(rows.integer(0), static_cast<float>(rows.real(1)));
  return points;
}

Points column(const std::string& run, const std::string& table, const std::string& name) {
  return points_of(run, "SELECT step, " + name + " FROM " + table + " WHERE " + name + " IS NOT NULL ORDER BY step");
}

void expect_logs_hold_the_rows(const std::string& run) {
  const Events events = read_events(event_file(run));
  EXPECT_EQ(events.version, "brain.Event:2");
  EXPECT_TRUE(std::is_sorted(events.times.begin(), events.times.end()));
  std::map<std::string, Points> expected;
  for (const std::string name :
       {"loss", "metric", "learning_rate", "gradient_norm", "target_tokens", "trainable_parameters", "seconds"}) {
    expected["step/" + name] = column(run, "steps", name);
  }
  for (const std::string name :
       {"n_edges", "n_nodes", "trainable_parameters", "trainable_share", "metric", "examples", "jaccard_edges_previous",
        "jaccard_edges_first", "jaccard_nodes_previous", "jaccard_nodes_first", "rank_correlation_previous", "entered",
        "left", "sum_rule_error", "seconds"}) {
    expected["discovery/" + name] = column(run, "discoveries", name);
  }
  Database db(run + "/run.db", Database::Mode::kReadOnly);
  Statement names = db.prepare("SELECT DISTINCT name FROM evaluations");
  while (names.step()) {
    expected[names.text(0)] =
        points_of(run, "SELECT step, value FROM evaluations WHERE name = '" + names.text(0) + "' ORDER BY step");
  }
  EXPECT_EQ(events.scalars, expected);

  // The same in JSON Lines, with NULL as null and the numbers to the last bit.
  std::map<std::string, Points> lines;
  each_json_line(read_file(run + "/log.jsonl"), "log.jsonl", [&](const Json& row, const std::string&) {
    const std::string kind = row.at("kind");
    for (const auto& [key, value] : row.items()) {
      if (key == "kind" || key == "step" || value.is_null()) continue;
      lines[(kind == "evaluation" ? "" : kind + "/") + key].emplace_back(row.at("step"), value.get<float>());
    }
  });
  EXPECT_EQ(lines, expected);
}

const Settings kLogged{"selection.n=12",
                       "discovery.every=3",
                       "tuning.steps=60",
                       "tuning.batch=2",
                       "optimizer.lr=0.01",
                       "evaluation.every=10",
                       "run.loggers=tensorboard,jsonl"};

TEST(Loggers, HoldTheRowsOfTheRun) {
  const TinyRuns runs({}, kLogged);
  const ProgramResult result = run_program(runs.tune("run", {"tuning.steps=20"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  expect_logs_hold_the_rows(runs.run("run"));
  const std::string log = read_file(runs.run("run") + "/log.jsonl");
  EXPECT_THAT(log, testing::StartsWith("{\"kind\":\"evaluation\",\"step\":0,\"dev/"));
  EXPECT_THAT(log, testing::HasSubstr("\"jaccard_edges_previous\":null"));
}

TEST(Loggers, OfARunThatWasKilledHoldNothingTwice) {
  const TinyRuns runs({}, kLogged);
  const std::string run = runs.run("run");
  for (const int64_t last : {15, 37}) {  // beyond a checkpoint, whose steps are made again
    Program program(fs::exists(run) ? runs.resume("run") : runs.tune("run"));
    ASSERT_TRUE(program.wait_until({runs.scratch().path(), run},
                                   [&] { return query(run, "SELECT max(step) FROM steps") >= last; }));
    program.send(SIGKILL);
    ASSERT_EQ(program.wait().signal, SIGKILL);
  }
  const std::string file = event_file(run);
  ASSERT_EQ(run_program(runs.resume("run")).exit_code, 0);
  EXPECT_EQ(event_file(run), file);
  expect_logs_hold_the_rows(run);
  ASSERT_EQ(run_program(runs.resume("run")).exit_code, 0) << "of a finished run";
  expect_logs_hold_the_rows(run);
}

TEST(Loggers, AnUnknownOneIsRefused) {
  const TinyRuns runs({}, kLogged);
  const auto refused = [&](const std::string& names, const std::vector<std::string>& words) {
    expect_refused(
        runs.scratch(),
        {"tune", runs.scratch() / "tune.toml", "--set", "run.path=" + runs.run("run"), "--set", "run.loggers=" + names},
        words);
  };
  refused("jsonl,wandb", {"run.loggers", "wandb", "tensorboard, jsonl"});
  refused("jsonl,jsonl", {"run.loggers", "twice"});
}

}  // namespace
}  // namespace circuit
