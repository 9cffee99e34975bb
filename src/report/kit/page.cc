#include "report/kit/page.h"

#include "report/kit/assets.h"
#include "report/kit/text.h"

namespace circuit {
namespace {

// The bundles' licences as they may stand in a comment.
std::string notices_comment() {
  // A comment ends at "-->"; the licences hold none, but they are not ours to trust.
  std::string notices(third_party_notices());
  for (size_t at; (at = notices.find("--")) != std::string::npos;) notices.replace(at, 2, "==");
  return notices;
}

}  // namespace

std::string page_html(const Page& page) {
  const bool is_served = !page.served_state.empty();
  return fill_template(asset("shell.html"),
                       {{"kind", page.kind},
                        {"title", escape_html(page.title)},
                        {"notices", notices_comment()},
                        {"style", std::string(asset("page.css"))},
                        {"main", page.main},
                        {"without_scripts", page.without_scripts},
                        {"data_id", page.data_id},
                        {"data", script_json(page.data)},
                        {"bundles", chart_bundles()},
                        {"scripts", assets(page.scripts)},
                        {"connect", is_served ? "; connect-src 'self'" : ""},
                        {"body", is_served ? " data-runs=\"" + escape_html(page.served_state) + "\"" : ""}});
}

std::string lead_section(const std::string& html) { return "<section class=\"lead\">\n" + html + "\n</section>"; }

std::string closing_section(const std::string& heading, const std::string& html) {
  return "<section>\n<h2>" + heading + "</h2>\n" + html + "\n</section>";
}

std::string script_json(const Json& value) {
  const std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string safe;
  for (const char c : text) {
    if (c == '<') {
      safe += "\\u003c";
    } else {
      safe += c;
    }
  }
  return safe;
}

std::string fill_template(std::string_view text, const std::map<std::string, std::string>& values) {
  std::string page;
  while (true) {
    const size_t open = text.find("{{");
    if (open == std::string_view::npos) return page.append(text);
    const size_t close = text.find("}}", open);
    page.append(text.substr(0, open)).append(values.at(std::string(text.substr(open + 2, close - open - 2))));
    text.remove_prefix(close + 2);
  }
}

}  // namespace circuit
