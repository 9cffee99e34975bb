#include <CLI/CLI.hpp>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <set>

#include "cli/command.h"
#include "core/error.h"
#include "core/table.h"
#include "io/csv.h"
#include "io/json.h"
#include "store/query.h"

namespace circuit {
namespace {

struct Options {
  CommonOptions common;
  std::string run, sql;
  bool csv = false;
};

enum class Form { kTable, kCsv, kJson };

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

// Made as a whole before any of it is printed: an error while SQL runs leaves no half of a result.
std::string result_of(const Options& o, Form form) {
  std::string text;
  std::vector<std::vector<std::string>> table;
  std::vector<std::string> names;
  const auto columns = [&](const std::vector<std::string>& found) {
    names = found;
    if (form == Form::kJson) check_names(names);
    if (form == Form::kCsv) text = line_of(static_cast<int>(names.size()), [&](int c) { return csv_cell(names[c]); });
    if (form == Form::kTable) table.push_back(names);
  };
  const auto row = [&](const Statement& values) {
    if (form == Form::kJson) {
      text += (text.empty() ? "[\n" : ",\n") + json_line(names, values);
    } else if (form == Form::kCsv) {
      text += line_of(values.columns(), [&](int c) { return to_csv(values, c); });
    } else {
      table.emplace_back();
      for (int c = 0; c < values.columns(); ++c) table.back().push_back(to_cell(values, c));
    }
  };
  query_run(o.run, o.sql, columns, row);
  if (form == Form::kTable) return format_table(table);
  if (form == Form::kJson) return text.empty() ? "[]\n" : text + "\n]\n";
  return text;
}

int run(const Options& o) {
  if (o.csv && o.common.json) throw UsageError("[query] --csv and --json exclude each other.");
  const Form form = o.common.json ? Form::kJson : o.csv ? Form::kCsv : Form::kTable;
  const std::string text = result_of(o, form);
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (std::fflush(stdout) != 0) fail("query", "cannot write the result: {}.", std::strerror(errno));
  return 0;
}

}  // namespace

void add_query(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("query", "SQL on a run's database, which is only read");
  command->footer(
      "Tables are described in docs/formats.md. Views: circuits, circuit_at (the circuit trained at a step), "
      "entries_exits,\n"
      "edge_series (the score of every edge at every discovery that kept its scores). float_at(blob, i) reads a "
      "vector.\n"
      "Blobs are hexadecimal in --csv and --json; NULL is an empty field or null.\n"
      "Examples:\n"
      "  circuit query runs/circuit \"SELECT * FROM circuit_at WHERE step = 120 ORDER BY abs(score) DESC LIMIT 10\"\n"
      "  circuit query runs/circuit --csv \"SELECT step, score FROM edge_series WHERE upstream = 'm0' AND downstream = "
      "'logits'\"\n"
      "  circuit query runs/circuit \"SELECT step, count(*) AS entered FROM entries_exits WHERE change = 'entered' "
      "GROUP BY "
      "step\"");
  command->add_option("RUN", o->run, "run directory")->required();
  command->add_option("SQL", o->sql, "one SELECT")->required();
  command->add_flag("--csv", o->csv, "comma-separated values, with a line of names");
  add_common(*command, &o->common);
  command->callback([o, chosen] { *chosen = [o] { return run(*o); }; });
}

}  // namespace circuit
