// What an analysis found, as files and for people.
#pragma once

#include <cstdint>
#include <string>

#include "dynamics/analysis.h"
#include "io/json.h"

namespace circuit {

std::string table_csv(const AnalysisTable& table);
Json analysis_json(const Analysis& analysis, const AnalysisResult& result);
// top: rows of a table.
std::string analysis_text(const Analysis& analysis, const AnalysisResult& result, int64_t top);

}  // namespace circuit
