// SQL on a run, read only: also while the run goes on.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "io/sqlite.h"

namespace circuit {

// Calls row(statement) for every row of one SELECT on a run.db, with the views of schema.h there. Returns the names of its
// columns. Throws Error: no run.db, SQL that is wrong, that writes, or more than one statement.
std::vector<std::string> query_run(const std::string& run, const std::string& sql,
                                   const std::function<void(const Statement& row)>& each);

}  // namespace circuit
