#include "store/query.h"

#include <algorithm>

#include "core/error.h"
#include "store/migrations.h"
#include "store/run_reader.h"
#include "store/schema.h"

namespace circuit {
namespace {

// SQL may stand in several lines, an error in one.
std::string in_one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return text;
}

}  // namespace

void query_run(const std::string& run, const std::string& sql,
               const std::function<void(const std::vector<std::string>& names)>& columns,
               const std::function<void(const Statement& row)>& each) {
  require_store(run);
  Database db(store_path(run), Database::Mode::kReadOnly);
  check_readable(db, db.path());
  db.add_float_at();
  db.execute("PRAGMA query_only = OFF");  // temporary views count as writing
  for (const View& view : kViews) db.execute(std::string("CREATE TEMP VIEW ") + view.name + " AS " + view.select);
  db.execute(std::string("CREATE TEMP VIEW ") + kEdgeSeries.name + " AS " + kEdgeSeries.select);
  db.execute("PRAGMA query_only = ON");
  Statement statement = db.prepare(sql);
  if (!statement.only_reads() || statement.columns() == 0)
    fail("query", "only statements that read are allowed: SELECT …");
  const std::string& rest = statement.rest();
  if (rest.find_first_not_of(" \t\r\n;") != std::string::npos) {
    fail("query", "one statement at a time; behind it stands '{}'.", in_one_line(rest));
  }
  std::vector<std::string> names;
  for (int c = 0; c < statement.columns(); ++c) names.push_back(statement.column_name(c));
  columns(names);
  while (statement.step()) each(statement);
}

}  // namespace circuit
