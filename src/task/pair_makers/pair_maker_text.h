// What became of a file's lines, for machines and for people.
#pragma once

#include <string>

#include "task/pair_makers/pair_maker.h"

namespace circuit {

// Throws Error at `path` with the most frequent reason where no record was made.
void check_made(const PairReport& report, const std::string& path);

Json pair_report_json(const PairReport& report, const PairMaker& maker);
std::string pair_report_text(const PairReport& report, const PairMaker& maker);

// Every kind with what it reads and makes.
std::string pair_kinds_text();

}  // namespace circuit
