#include "dynamics/query.h"

#include "core/error.h"
#include "dynamics/schema.h"
#include "io/files.h"

namespace circuit {

std::vector<std::string> query_run(const std::string& run, const std::string& sql,
                                   const std::function<void(const Statement& row)>& each) {
  const std::string path = run + "/run.db";
  if (!file_exists(path)) fail(path, "there is no such file. Give a run directory.");
  // A read-only connection to a write-ahead log would leave its side files behind; query_only refuses writes.
  Database db(path, Database::Mode::kReadWrite);
  db.add_float_at();
  for (const View& view : kViews) db.execute(std::string("CREATE TEMP VIEW ") + view.name + " AS " + view.select);
  db.execute(std::string("CREATE TEMP VIEW ") + kEdgeSeries.name + " AS " + kEdgeSeries.select);
  db.execute("PRAGMA query_only = ON");
  Statement statement = db.prepare(sql);
  if (!statement.only_reads() || statement.columns() == 0) fail("query", "only statements that read are allowed: SELECT …");
  if (statement.rest().find_first_not_of(" \t\r\n;") != std::string::npos) {
    fail("query", "one statement at a time; behind it stands '{}'.", statement.rest());
  }
  std::vector<std::string> columns;
  for (int c = 0; c < statement.columns(); ++c) columns.push_back(statement.column_name(c));
  while (statement.step()) each(statement);
  return columns;
}

}  // namespace circuit
