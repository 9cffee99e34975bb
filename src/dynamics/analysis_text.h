// What an analysis found, as files and for people.
#pragma once

#include <cstdint>
#include <string>

#include "dynamics/analysis.h"
#include "io/json.h"

namespace circuit {

// One line each, those that need models marked *.
std::string analyses_text();
std::string table_csv(const AnalysisTable& table);
Json analysis_json(const Analysis& analysis, const AnalysisResult& result);
// top: rows of a table.
std::string analysis_text(const Analysis& analysis, const AnalysisResult& result, int64_t top);
// folder/ANALYSIS.json, and folder/TABLE.csv for each of its tables. Throws Error naming the file.
void write_analysis(const std::string& folder, const Analysis& analysis, const AnalysisResult& result);

}  // namespace circuit
