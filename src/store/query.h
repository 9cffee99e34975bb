// SQL on a run, read only: also while the run goes on.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "io/sqlite.h"

namespace circuit {

// One SELECT on a run.db, with the views of schema.h there: calls columns(names) once, then row(statement) for every
// row. Throws Error: no run.db, SQL that is wrong, that writes, or more than one statement.
void query_run(const std::string& run, const std::string& sql,
               const std::function<void(const std::vector<std::string>& names)>& columns,
               const std::function<void(const Statement& row)>& each);

}  // namespace circuit
