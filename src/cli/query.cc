#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "core/error.h"
#include "core/table.h"
#include "dynamics/query.h"
#include "io/json.h"

namespace circuit {
namespace {

struct Options {
  CommonOptions common;
  std::string run, sql;
  bool csv = false;
};

// A blob is as many numbers as it has float32.
std::string blob_text(const Statement& row, int column) { return fmt::format("<{} bytes>", row.blob(column).size()); }

Json to_json(const Statement& row, int column) {
  switch (row.type(column)) {
    case Statement::Type::kInteger:
      return row.integer(column);
    case Statement::Type::kReal:
      return row.real(column);
    case Statement::Type::kText:
      return row.text(column);
    case Statement::Type::kBlob:
      return blob_text(row, column);
    case Statement::Type::kNull:
      break;
  }
  return nullptr;
}

std::string to_text(const Statement& row, int column) {
  switch (row.type(column)) {
    case Statement::Type::kReal:
      // The shortest text that reads back as the same number.
      return fmt::format("{}", row.real(column));
    case Statement::Type::kBlob:
      return blob_text(row, column);
    default:
      return row.text(column);
  }
}

// RFC 4180.
std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string result = "\"";
  for (const char c : text) result += c == '"' ? "\"\"" : std::string(1, c);
  return result + "\"";
}

std::string csv_line(const std::vector<std::string>& cells) {
  std::string line;
  for (const std::string& cell : cells) line += (line.empty() && &cell == &cells.front() ? "" : ",") + quoted(cell);
  return line + "\n";
}

int run(const Options& o) {
  if (o.csv && o.common.json) throw UsageError("[query] --csv and --json exclude each other.");
  std::vector<std::vector<std::string>> rows;
  Json json = Json::array();
  std::vector<std::vector<Json>> values;
  const std::vector<std::string> columns = query_run(o.run, o.sql, [&](const Statement& row) {
    if (o.common.json) {
      values.emplace_back();
      for (int c = 0; c < row.columns(); ++c) values.back().push_back(to_json(row, c));
      return;
    }
    rows.emplace_back();
    for (int c = 0; c < row.columns(); ++c) rows.back().push_back(to_text(row, c));
  });
  if (o.common.json) {
    for (const auto& row : values) {
      Json object = Json::object();
      for (size_t c = 0; c < columns.size(); ++c) object[columns[c]] = row[c];
      json.push_back(object);
    }
    fmt::print("{}\n", json.dump(1));
  } else if (o.csv) {
    fmt::print("{}", csv_line(columns));
    for (const auto& row : rows) fmt::print("{}", csv_line(row));
  } else {
    rows.insert(rows.begin(), columns);
    fmt::print("{}", format_table(rows));
  }
  return 0;
}

}  // namespace

void add_query(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("query", "SQL on a run's database, which is only read");
  command->footer(
      "Tables are described in docs/formats.md. Views: circuits, circuit_at (the circuit trained at a step), entries_exits,\n"
      "edge_series (the score of every edge at every discovery). float_at(blob, i) reads a vector.\n"
      "Examples:\n"
      "  circuit query runs/circuit \"SELECT * FROM circuit_at WHERE step = 120 ORDER BY abs(score) DESC LIMIT 10\"\n"
      "  circuit query runs/circuit --csv \"SELECT step, score FROM edge_series WHERE upstream = 'm0' AND downstream = "
      "'logits'\"\n"
      "  circuit query runs/circuit \"SELECT step, count(*) AS entered FROM entries_exits WHERE change = 'entered' GROUP BY "
      "step\"");
  command->add_option("RUN", o->run, "run directory")->required();
  command->add_option("SQL", o->sql, "one SELECT")->required();
  command->add_flag("--csv", o->csv, "comma-separated values, with a line of names");
  add_common(*command, &o->common);
  command->callback([o, chosen] { *chosen = [o] { return run(*o); }; });
}

}  // namespace circuit
