// What stands in a page: charts in their cards, tables that page/table.js sorts. HTML; what is given as text is
// escaped.
#pragma once

#include <string>

namespace circuit {

std::string strong(const std::string& html);

// A chart's place: the page's script draws it there.
struct Card {
  std::string id;             // of the chart, [a-z0-9-]
  std::string head = "";      // HTML, above the caption
  std::string caption = "";   // HTML; empty: none
  std::string controls = "";  // HTML, between caption and chart
  bool tall = false;
};
std::string card_html(const Card& card);

// A heading that sorts its column when it is pressed.
std::string sort_heading(const std::string& text);
// A cell that shows `html` and sorts by `value`: a number as JavaScript reads it, or text; empty comes last. tag: "td".
std::string cell_html(const std::string& value, const std::string& html, const std::string& tag = "td");
// The cell that a row is called by.
std::string row_heading(const std::string& value, const std::string& html);

// A table of numbers that scrolls sideways where it is too wide.
struct Table {
  std::string label;       // what screen readers call it; empty: nothing
  std::string classes;     // beside "numbers": "sortable" where its headings sort
  std::string attributes;  // further ones of the element, HTML with a space before: " id=\"runs\""
  std::string head, rows;  // cells; rows with theirs: HTML
};
std::string table_html(const Table& table);

}  // namespace circuit
