#include "store/migrations.h"

#include <charconv>

#include "core/error.h"

namespace circuit {
namespace {

constexpr int64_t kFirstVersion = 1;

// Whatever else is wrong with a file is for those who ask it something to report.
bool has_meta(Database& db) {
  Statement row = db.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'meta'");
  return row.step();
}

}  // namespace

const Migrations& migrations() {
  static const Migrations steps{};
  return steps;
}

int64_t newest_version(const Migrations& steps) { return kFirstVersion + static_cast<int64_t>(steps.size()); }

int64_t schema_version(Database& db, const std::string& place, const Migrations& steps) {
  const int64_t newest = newest_version(steps);
  if (!has_meta(db)) return kFirstVersion;
  Statement row = db.prepare("SELECT value FROM meta WHERE key = 'schema_version'");
  if (!row.step()) return kFirstVersion;
  const std::string text = row.text(0);
  int64_t version = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, version);
  if (parsed.ec != std::errc() || parsed.ptr != end || version < kFirstVersion) {
    fail(place, "schema version: found '{}', expected a number from {} to {}.", text, kFirstVersion, newest);
  }
  if (version > newest) {
    fail(place, "schema version: found {}, and this program knows {} at most. Read it with the program that wrote it.",
         version, newest);
  }
  return version;
}

void check_readable(Database& db, const std::string& place, const Migrations& steps) {
  const int64_t found = schema_version(db, place, steps);
  const int64_t newest = newest_version(steps);
  for (int64_t version = found; version < newest; ++version) {
    const Migration& step = steps[version - kFirstVersion];
    if (step.readers == Migration::Readers::kReadBoth) continue;
    fail(place,
         "schema version: found {}, expected {} ({}). Resume the run, which brings it up to date, or read it with the "
         "program that wrote it.",
         found, newest, step.what);
  }
}

void migrate(Database& db, const Migrations& steps) {
  const int64_t newest = newest_version(steps);
  for (int64_t version = schema_version(db, db.path(), steps); version < newest; ++version) {
    Transaction transaction(db);
    db.execute(steps[version - kFirstVersion].sql);
    Statement row = db.prepare("INSERT OR REPLACE INTO meta VALUES('schema_version', ?)");
    row.bind(1, std::to_string(version + 1)).run();
    transaction.commit();
  }
}

}  // namespace circuit
