// The result of a query as text.
#pragma once

#include <string>

namespace circuit {

// A table for people; comma-separated values with a line of names, NULL an empty field; a JSON list of objects.
enum class QueryForm { kTable, kCsv, kJson };

// Blobs are hexadecimal in CSV and JSON. Throws what query_run throws, and Error for two columns of one name as JSON.
std::string query_text(const std::string& run, const std::string& sql, QueryForm form);

}  // namespace circuit
