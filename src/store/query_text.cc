#include "store/query_text.h"

#include <cmath>
#include <set>
#include <vector>

#include "core/error.h"
#include "core/table.h"
#include "io/csv.h"
#include "io/json.h"
#include "store/query.h"

namespace circuit {
namespace {

std::string hex(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

// A number as the shortest text that reads back as the same; JSON has no infinity, so there it stands as text.
nlohmann::ordered_json to_json(const Statement& row, int column) {
  switch (row.type(column)) {
    case Statement::Type::kInteger:
      return row.integer(column);
    case Statement::Type::kReal:
      if (!std::isfinite(row.real(column))) return fmt::format("{}", row.real(column));
      return row.real(column);
    case Statement::Type::kText:
      return row.text(column);
    case Statement::Type::kBlob:
      return hex(row.blob(column));
    case Statement::Type::kNull:
      break;
  }
  return nullptr;
}

// Empty text is quoted, so that it is not NULL.
std::string csv_cell(const std::string& text) { return text.empty() ? "\"\"" : csv_field(text); }

std::string to_csv(const Statement& row, int column) {
  switch (row.type(column)) {
    case Statement::Type::kReal:
      return fmt::format("{}", row.real(column));
    case Statement::Type::kBlob:
      return csv_cell(hex(row.blob(column)));
    case Statement::Type::kNull:
      return "";
    default:
      return csv_cell(row.text(column));
  }
}

// Line ends and tabs would break the table; a vector would fill it.
std::string to_cell(const Statement& row, int column) {
  if (row.type(column) == Statement::Type::kReal) return fmt::format("{}", row.real(column));
  if (row.type(column) == Statement::Type::kBlob) return fmt::format("<{} bytes>", row.blob(column).size());
  std::string cell;
  for (const char c : row.text(column)) {
    const auto code = static_cast<unsigned char>(c);
    cell += code < 0x20 || code == 0x7F ? fmt::format("\\x{:02x}", code) : std::string(1, c);
  }
  return cell;
}

// Text that is no UTF-8 (a CAST makes it) gets U+FFFD for what JSON cannot hold.
std::string json_line(const std::vector<std::string>& columns, const Statement& row) {
  auto object = nlohmann::ordered_json::object();
  for (int c = 0; c < row.columns(); ++c) object[columns[c]] = to_json(row, c);
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

template <class CellOf>
std::string line_of(int columns, const CellOf& cell_of) {
  std::string line;
  for (int c = 0; c < columns; ++c) line += (c == 0 ? "" : ",") + cell_of(c);
  return line + "\n";
}

void check_names(const std::vector<std::string>& columns) {
  std::set<std::string> seen;
  for (const std::string& name : columns) {
    if (!seen.insert(name).second)
      fail("query", "two columns are called '{}', which JSON cannot tell apart. Name one with AS.", name);
  }
}

}  // namespace

// Made as a whole before any of it is printed: an error while SQL runs leaves no half of a result.
std::string query_text(const std::string& run, const std::string& sql, QueryForm form) {
  std::string text;
  std::vector<std::vector<std::string>> table;
  std::vector<std::string> names;
  const auto columns = [&](const std::vector<std::string>& found) {
    names = found;
    if (form == QueryForm::kJson) check_names(names);
    if (form == QueryForm::kCsv)
      text = line_of(static_cast<int>(names.size()), [&](int c) { return csv_cell(names[c]); });
    if (form == QueryForm::kTable) table.push_back(names);
  };
  const auto row = [&](const Statement& values) {
    if (form == QueryForm::kJson) {
      text += (text.empty() ? "[\n" : ",\n") + json_line(names, values);
    } else if (form == QueryForm::kCsv) {
      text += line_of(values.columns(), [&](int c) { return to_csv(values, c); });
    } else {
      table.emplace_back();
      for (int c = 0; c < values.columns(); ++c) table.back().push_back(to_cell(values, c));
    }
  };
  query_run(run, sql, columns, row);
  if (form == QueryForm::kTable) return format_table(table);
  if (form == QueryForm::kJson) return text.empty() ? "[]\n" : text + "\n]\n";
  return text;
}

}  // namespace circuit
