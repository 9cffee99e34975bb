#include "io/csv.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"

namespace circuit {
namespace {

class CsvReader {
 public:
  CsvReader(std::string_view text, const std::string& name) : text_(text), name_(name) {
    if (!is_valid_utf8(text)) fail(name, "the file is not valid UTF-8. Convert it first.");
    at_ = text_.size() - without_byte_order_mark(text_).size();
  }

  // The next row that is not blank. False: the end.
  bool next(std::vector<std::string>* fields, std::string* place) {
    while (at_ < text_.size()) {
      *place = fmt::format("{}:{}", name_, line_);
      if (end_of_line()) continue;
      fields->clear();
      do {
        fields->push_back(field(*place));
      } while (take(','));
      if (at_ < text_.size() && !end_of_line()) fail(*place, "found text after a closing quote, expected a comma.");
      return true;
    }
    return false;
  }

 private:
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool end_of_line() {
    if (text_.substr(at_, 2) == "\r\n") ++at_;
    if (!take('\n')) return false;
    ++line_;
    return true;
  }

  std::string field(const std::string& place) {
    std::string value;
    if (take('"')) {
      while (true) {
        if (at_ >= text_.size()) fail(place, "a quoted field does not end.");
        const char c = text_[at_++];
        line_ += c == '\n';
        if (c == '"' && !take('"')) return value;
        value += c;
      }
    }
    const size_t end = std::min(text_.find_first_of(",\n", at_), text_.size());
    value = text_.substr(at_, end - at_);
    at_ = end;
    if (at_ < text_.size() && text_[at_] == '\n' && !value.empty() && value.back() == '\r') {
      value.pop_back();
      --at_;
    }
    return value;
  }

  std::string_view text_;
  const std::string& name_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

std::vector<std::string> read_header(CsvReader* reader, const std::string& name) {
  std::vector<std::string> header;
  std::string place;
  if (!reader->next(&header, &place)) fail(name, "the file is empty.");
  std::set<std::string> seen;
  for (const std::string& column : header) {
    if (!seen.insert(column).second) fail(place, "column '{}' appears twice.", column);
  }
  return header;
}

}  // namespace

const std::string& CsvRow::at(const std::string& column) const {
  const auto found = std::find(header_->begin(), header_->end(), column);
  if (found == header_->end()) fail(place_, "the file has no column '{}'.", column);
  return fields_[found - header_->begin()];
}

void each_csv_row(std::string_view text, const std::string& name,
                  const std::function<void(const CsvRow& row)>& on_row) {
  CsvReader reader(text, name);
  const std::vector<std::string> header = read_header(&reader, name);
  std::vector<std::string> fields;
  std::string place;
  while (reader.next(&fields, &place)) {
    if (fields.size() != header.size()) {
      fail(place, "found {} fields, expected the {} of the header.", fields.size(), header.size());
    }
    on_row(CsvRow(header, fields, place));
  }
}

void each_csv_fields(
    std::string_view text, const std::string& name,
    const std::function<void(const std::vector<std::string>& fields, const std::string& place)>& on_row) {
  CsvReader reader(text, name);
  std::vector<std::string> fields;
  std::string place;
  while (reader.next(&fields, &place)) on_row(fields, place);
}

std::vector<std::string> csv_header(std::string_view text, const std::string& name) {
  CsvReader reader(text, name);
  return read_header(&reader, name);
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string csv_line(const std::vector<std::string>& fields, const char* end) {
  std::string line;
  for (size_t i = 0; i < fields.size(); ++i) line += (i == 0 ? "" : ",") + csv_field(fields[i]);
  return line + end;
}

}  // namespace circuit
