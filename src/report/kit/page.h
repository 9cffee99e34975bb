// The page that all products are: one HTML file that opens without a network, with a shell, a style, the chart bundles
// and their licences. A product says what is in it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"

namespace circuit {

struct Page {
  std::string kind;             // "circuit report": above the heading, and in the window's title
  std::string title;            // the heading; plain text
  std::string main;             // what stands below it: HTML
  std::string without_scripts;  // what a reader without JavaScript is told
  std::string data_id;          // of the element that holds the data
  Json data;
  std::vector<const char*> scripts;  // of page/, in their order: they draw the data
  // Of a page that a server keeps up to date (live/): what it was made of. Only such a page may ask, and only its own
  // server. Empty: a file.
  std::string served_state = "";
};

std::string page_html(const Page& page);

// Sections of `main`: the opening words, without a heading, and a last part under a plain one.
std::string lead_section(const std::string& html);
std::string closing_section(const std::string& heading, const std::string& html);

// {{name}} → its value, in one pass: what is put in is not searched again. Every name must have one.
std::string fill_template(std::string_view text, const std::map<std::string, std::string>& values);

// JSON that may stand in a script element: a "<" of a name cannot end it or start a comment.
std::string script_json(const Json& value);

}  // namespace circuit
