// How a run.db that an older program wrote becomes one of today. meta's schema_version counts the changes of schema.h;
// a run without it is of version 1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/sqlite.h"

namespace circuit {

// From one version to the next.
struct Migration {
  const char* what;  // that changes, in a few words
  // What the readers of this folder make of a run that has not taken the step.
  enum class Readers { kReadBoth, kReadNewOnly } readers;
  const char* sql;
};
using Migrations = std::vector<Migration>;

// By version: the first leads from 1 to 2. Who changes schema.h adds the step here, with a line in docs/formats.md.
const Migrations& migrations();

// The version that fresh runs are of.
int64_t newest_version(const Migrations& steps = migrations());

// Of a run.db. Throws Error naming `place`: newer than this program, or no version.
int64_t schema_version(Database& db, const std::string& place, const Migrations& steps = migrations());

// Throws Error naming `place`, with what to do: what schema_version does, and of an older one that the readers of this
// folder do not know.
void check_readable(Database& db, const std::string& place, const Migrations& steps = migrations());

// Brings a database that is open for writing up to date, each step whole or not at all. Throws what schema_version
// does.
void migrate(Database& db, const Migrations& steps = migrations());

}  // namespace circuit
