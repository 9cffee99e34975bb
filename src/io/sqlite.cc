#include "io/sqlite.h"

#include <sqlite3.h>
#include <unistd.h>

#include <cctype>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <utility>

#include "core/error.h"

namespace circuit {
namespace {

constexpr int kBusyMilliseconds = 10000;
constexpr const char* kNan = "nan";

// In one line: it may quote SQL that has several.
std::string message_of(sqlite3* db) {
  std::string message = sqlite3_errmsg(db);
  for (char& c : message) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return message;
}

// "file:/a%20b": what has a meaning in a URI is written by its code.
std::string as_uri(const std::string& path) {
  std::string uri = "file:";
  for (const char c : std::filesystem::absolute(path).string()) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '/' || c == '.' || c == '-' || c == '_') {
      uri += c;
    } else {
      uri += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return uri;
}

}  // namespace

Statement::Statement(sqlite3* db, std::string path, const std::string& sql) : db_(db), path_(std::move(path)) {
  const char* rest = nullptr;
  check(sqlite3_prepare_v2(db_, sql.c_str(), static_cast<int>(sql.size()), &statement_, &rest));
  rest_ = rest;
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement::Statement(Statement&& other) noexcept
    : db_(other.db_),
      path_(std::move(other.path_)),
      statement_(std::exchange(other.statement_, nullptr)),
      rest_(std::move(other.rest_)) {}

void Statement::check(int code) const {
  if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) fail(path_, "{}.", message_of(db_));
}

Statement& Statement::bind(int index, int64_t value) {
  check(sqlite3_bind_int64(statement_, index, value));
  return *this;
}
Statement& Statement::bind(int index, double value) {
  // SQLite makes NULL of a NaN, which then is not to be told from no value.
  if (std::isnan(value)) return bind(index, std::string_view(kNan));
  check(sqlite3_bind_double(statement_, index, value));
  return *this;
}
Statement& Statement::bind(int index, std::string_view text) {
  check(sqlite3_bind_text64(statement_, index, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}
Statement& Statement::bind_blob(int index, const void* data, size_t size) {
  check(sqlite3_bind_blob64(statement_, index, data, size, SQLITE_TRANSIENT));
  return *this;
}
Statement& Statement::bind_null(int index) {
  check(sqlite3_bind_null(statement_, index));
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  check(code);
  return code == SQLITE_ROW;
}

void Statement::run() {
  while (step()) {
  }
  check(sqlite3_reset(statement_));
}

bool Statement::only_reads() const { return statement_ == nullptr || sqlite3_stmt_readonly(statement_) != 0; }

Statement::Type Statement::type(int column) const {
  switch (sqlite3_column_type(statement_, column)) {
    case SQLITE_INTEGER:
      return Type::kInteger;
    case SQLITE_FLOAT:
      return Type::kReal;
    case SQLITE_TEXT:
      return Type::kText;
    case SQLITE_BLOB:
      return Type::kBlob;
    default:
      return Type::kNull;
  }
}

int Statement::columns() const { return sqlite3_column_count(statement_); }
std::string Statement::column_name(int column) const { return sqlite3_column_name(statement_, column); }
bool Statement::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }

double Statement::real(int column) const {
  if (sqlite3_column_type(statement_, column) == SQLITE_TEXT && text(column) == kNan) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  return sqlite3_column_double(statement_, column);
}

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return bytes == nullptr ? "" : std::string(bytes, sqlite3_column_bytes(statement_, column));
}

std::string Statement::blob(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return bytes == nullptr ? "" : std::string(bytes, sqlite3_column_bytes(statement_, column));
}

Database::Database(const std::string& path, Mode mode) : path_(path) {
  // The constructor's owner never sees a destructor call when something throws, so close here.
  try {
    if (mode == Mode::kReadOnly) {
      open_to_read();
      return;
    }
    open(path, SQLITE_OPEN_READWRITE | (mode == Mode::kCreate ? SQLITE_OPEN_CREATE : 0));
    execute("PRAGMA journal_mode=WAL");
    execute("PRAGMA synchronous=NORMAL");
  } catch (...) {
    sqlite3_close(db_);
    throw;
  }
}

void Database::open(const std::string& name, int flags) {
  sqlite3_close(std::exchange(db_, nullptr));
  if (sqlite3_open_v2(name.c_str(), &db_, flags, nullptr) != SQLITE_OK) {
    fail(path_, "cannot open the database: {}.", db_ != nullptr ? sqlite3_errmsg(db_) : "out of memory");
  }
  sqlite3_busy_timeout(db_, kBusyMilliseconds);
}

// Opening reads nothing yet: only a query finds out whether the log's index can be had. Other faults are those of the
// file, for whoever asks it something to report.
bool Database::reads() const {
  const int code = sqlite3_exec(db_, "SELECT count(*) FROM sqlite_master", nullptr, nullptr, nullptr);
  return code != SQLITE_CANTOPEN && code != SQLITE_READONLY;
}

void Database::open_to_read() {
  const std::string folder = std::filesystem::absolute(path_).parent_path().string();
  if (access(folder.c_str(), W_OK) == 0 && access(path_.c_str(), W_OK) == 0) {
    // A read-only connection to a write-ahead log would leave the log's files behind; one that may write takes them
    // away when it is the last, and query_only keeps it from writing more. A log that is there already stays, rows and
    // all.
    const bool has_log = access((path_ + "-wal").c_str(), F_OK) == 0;
    open(path_, SQLITE_OPEN_READWRITE);
    if (has_log) sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    execute("PRAGMA query_only=ON");
    return;
  }
  open(path_, SQLITE_OPEN_READONLY);
  if (reads()) return;
  // The index of the log cannot be made here. Without a log there is nothing to find in it.
  std::error_code none;
  const auto log = std::filesystem::file_size(path_ + "-wal", none);
  if (!none && log > 0) {
    fail(path_,
         "its log (-wal beside it) has rows still, and this folder may only be read. Copy the folder and read the "
         "copy.");
  }
  open(as_uri(path_) + "?immutable=1", SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
}

void Database::close_log() {
  // Readers are in and out again: a few tries, not the long wait for a writer.
  for (int i = 0; i < 20; ++i) {
    if (sqlite3_exec(db_, "PRAGMA journal_mode=DELETE", nullptr, nullptr, nullptr) != SQLITE_BUSY) return;
    sqlite3_sleep(50);
  }
}

Database::~Database() { sqlite3_close(db_); }

void Database::execute(const std::string& sql) {
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    fail(path_, "{}.", message_of(db_));
  }
}

Statement Database::prepare(const std::string& sql) { return Statement(db_, path_, sql); }

void Database::add_float_at() {
  const auto element = [](sqlite3_context* context, int, sqlite3_value** arguments) {
    const auto size = static_cast<int64_t>(sqlite3_value_bytes(arguments[0]));
    const int64_t index = sqlite3_value_int64(arguments[1]);
    const auto* bytes = static_cast<const unsigned char*>(sqlite3_value_blob(arguments[0]));
    float value = 0;
    if (bytes == nullptr || index < 0 || index >= size / static_cast<int64_t>(sizeof value)) {
      sqlite3_result_null(context);
      return;
    }
    std::memcpy(&value, bytes + index * static_cast<int64_t>(sizeof value), sizeof value);
    sqlite3_result_double(context, static_cast<double>(value));
  };
  constexpr int kFlags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
  if (sqlite3_create_function(db_, "float_at", 2, kFlags, nullptr, element, nullptr, nullptr) != SQLITE_OK) {
    fail(path_, "{}.", message_of(db_));
  }
}

Transaction::Transaction(Database& database) : database_(database) { database_.execute("BEGIN"); }

Transaction::~Transaction() {
  if (!open_) return;
  try {
    database_.execute("ROLLBACK");
  } catch (const Error&) {
    // SQLite has already rolled back (disk full); the error that led here is on its way.
  }
}

void Transaction::commit() {
  database_.execute("COMMIT");
  open_ = false;
}

}  // namespace circuit
