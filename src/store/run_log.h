// The loggers of a run beside its store: each row goes to them when it is committed, as the store has it.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "io/sqlite.h"
#include "store/logger.h"

namespace circuit {

class RunLog {
 public:
  // names: of loggers(). Writes their files anew from the rows that `db` has, so what a killed run wrote
  // beyond its last checkpoint is gone and nothing stands there twice. Throws Error naming a file that cannot
  // be written.
  RunLog(Database& db, const std::string& run, const std::vector<std::string>& names);
  ~RunLog();
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;

  // The row of that step, just committed. Of evaluations: what was not written before.
  void discovery(int64_t step);
  void step(int64_t step);
  void evaluation(int64_t step);

 private:
  struct File {
    Logger logger;
    std::string path;
    int descriptor;
  };
  LogRow row_of(const Statement& statement, const std::string& kind) const;
  LogRow evaluation_row(int64_t step);
  std::vector<LogRow> all_rows();
  void write(const LogRow& row);

  Database& db_;
  std::vector<File> files_;
  double time_ = 0;  // of the next row
  std::set<std::pair<int64_t, std::string>> evaluated_;
};

}  // namespace circuit
