// A thin layer over SQLite: errors become Error with the path, statements are values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace circuit {

class Statement {
 public:
  Statement(sqlite3* db, std::string path, const std::string& sql);
  ~Statement();
  Statement(Statement&&) noexcept;
  Statement& operator=(Statement&&) = delete;

  // Parameters count from 1. The text and bytes are copied.
  Statement& bind(int index, int64_t value);
  Statement& bind(int index, double value);  // a NaN is stored as the text 'nan'
  Statement& bind(int index, std::string_view text);
  Statement& bind_blob(int index, const void* data, size_t size);
  Statement& bind_null(int index);

  bool step();  // true: a row is there
  void run();   // step to the end, then reset for the next use

  // Whether it leaves the database as it is.
  bool only_reads() const;
  // What stood behind the statement in the text given: blank, or another statement, which is not run.
  const std::string& rest() const { return rest_; }

  enum class Type { kInteger, kReal, kText, kBlob, kNull };
  Type type(int column) const;

  int columns() const;
  std::string column_name(int column) const;
  bool is_null(int column) const;
  int64_t integer(int column) const;
  double real(int column) const;  // NaN for the text 'nan'
  std::string text(int column) const;
  std::string blob(int column) const;

 private:
  void check(int code) const;
  sqlite3* db_;
  std::string path_;
  sqlite3_stmt* statement_ = nullptr;
  std::string rest_;
};

class Database {
 public:
  enum class Mode { kReadOnly, kReadWrite, kCreate };
  // Opens the file. kCreate makes it; it and kReadWrite keep a write-ahead log, so that readers never wait nor make
  // the writer wait. kReadOnly changes nothing and leaves no file behind; it works beside a writer, and in a folder
  // that may only be read. Throws Error.
  Database(const std::string& path, Mode mode);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void execute(const std::string& sql);
  Statement prepare(const std::string& sql);
  // Closes the write-ahead log, so that the file alone is the database and a folder that may only be read will do. Left
  // as it is while somebody else has the file open.
  void close_log();
  // SQL's float_at(blob, i): element i of a vector of little-endian float32; NULL outside it.
  void add_float_at();
  const std::string& path() const { return path_; }

 private:
  void open(const std::string& name, int flags);
  void open_to_read();
  bool reads() const;
  std::string path_;
  sqlite3* db_ = nullptr;
};

// BEGIN … COMMIT; rolled back when destroyed without commit().
class Transaction {
 public:
  explicit Transaction(Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace circuit
