// Comma-separated values as RFC 4180 writes them: quoted fields may hold commas, quotes (doubled) and line
// ends.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace circuit {

// One row, its fields by the names of the header.
class CsvRow {
 public:
  CsvRow(const std::vector<std::string>& header, std::vector<std::string> fields, std::string place)
      : header_(&header), fields_(std::move(fields)), place_(std::move(place)) {}

  // Throws Error "[file:line]" when the header has no such column.
  const std::string& at(const std::string& column) const;
  const std::string& place() const { return place_; }  // "name:line", of the row's first line

 private:
  const std::vector<std::string>* header_;
  std::vector<std::string> fields_;
  std::string place_;
};

// Calls `on_row` for each row after the header; a byte-order mark and blank lines are skipped. Throws Error
// "name:line" for text that is no UTF-8 or empty, an open quote, text after a closing quote, a row with
// another number of fields than the header, a column that appears twice.
void each_csv_row(std::string_view text, const std::string& name, const std::function<void(const CsvRow& row)>& on_row);

// The same for a file without a header: every row's fields, however many, and its place.
void each_csv_fields(
    std::string_view text, const std::string& name,
    const std::function<void(const std::vector<std::string>& fields, const std::string& place)>& on_row);

// The header alone, to tell published forms of a file apart.
std::vector<std::string> csv_header(std::string_view text, const std::string& name);

// A field, quoted where it must be; and a line of them with its end.
std::string csv_field(const std::string& text);
std::string csv_line(const std::vector<std::string>& fields, const char* end = "\n");

}  // namespace circuit
