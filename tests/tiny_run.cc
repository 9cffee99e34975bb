#include "tests/tiny_run.h"

#include <fmt/format.h>

#include "core/error.h"
#include "io/files.h"
#include "io/sqlite.h"

namespace circuit {
namespace {

std::string hex(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

}  // namespace

TinyRuns::TinyRuns(const TinySpec& spec, const Settings& settings) : settings_(settings) {
  write_tiny_model(model(), spec);
  for (std::string& setting : settings_) {
    if (const size_t at = setting.find("{scratch}"); at != std::string::npos)
      setting.replace(at, std::string("{scratch}").size(), scratch_.path());
  }
  write_file(scratch_ / "general.txt", "a dog ran to the cat and then the cat ran to a dog as it did before");
  write_file(scratch_ / "train.jsonl", tiny_records(14, 1));
  write_file(scratch_ / "dev.jsonl", tiny_records(6, 2));
  write_file(scratch_ / "test.jsonl", tiny_records(5, 3));
  std::string toml = "[model]\npath = \"" + model() + "\"\n[data]\n";
  for (const std::string split : {"train", "dev", "test"}) {
    toml += split + " = \"" + (scratch_ / (split + ".jsonl")) + "\"\n";
  }
  write_file(scratch_ / "tune.toml", toml);
}

Arguments TinyRuns::tune(const std::string& name, const Settings& more) const {
  Arguments arguments{"tune", scratch_ / "tune.toml"};
  const auto set = [&](const std::string& assignment) {
    arguments.emplace_back("--set");
    arguments.push_back(assignment);
  };
  set("run.path=" + run(name));
  for (const Settings* list : {&settings_, &more}) {
    for (const std::string& assignment : *list) set(assignment);
  }
  return quiet(arguments);
}

std::map<std::string, std::vector<std::string>> rows_of(const std::string& run) {
  Database db(run + "/run.db", Database::Mode::kReadOnly);
  std::map<std::string, std::vector<std::string>> all;
  for (const std::string table :
       {"meta", "edges", "slices", "steps", "discoveries", "circuit_edges", "slice_norms", "evaluations"}) {
    const std::string where =
        table == "meta" ? " WHERE key NOT IN ('config', 'created', 'model', 'summary', 'peak_memory')" : "";
    Statement rows = db.prepare("SELECT * FROM " + table + where + " ORDER BY 1, 2");
    std::vector<std::string>& texts = all[table];
    while (rows.step()) {
      std::string text;
      for (int c = 0; c < rows.columns(); ++c) {
        const std::string name = rows.column_name(c);
        if (name == "seconds") continue;
        // {} of a double tells any two apart (SQLite's own text has 15 digits); the bytes are for text and
        // blobs.
        const std::string value = rows.is_null(c) ? "null" : fmt::format("{} {}", rows.real(c), hex(rows.blob(c)));
        text += name + "=" + value + " ";
      }
      texts.push_back(text);
    }
  }
  return all;
}

int64_t query(const std::string& run, const std::string& sql) {
  if (!file_exists(run + "/run.db")) return -1;
  Database db(run + "/run.db", Database::Mode::kReadOnly);
  Statement row = db.prepare(sql);
  return row.step() && !row.is_null(0) ? row.integer(0) : -1;
}

std::map<std::string, std::string> checkpoints_of(const std::string& run) { return snapshot(run + "/checkpoints"); }

}  // namespace circuit
