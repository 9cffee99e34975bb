#include "report/html.h"

#include "report/assets.h"

namespace circuit {

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

std::string notices_comment() {
  // A comment ends at "-->"; the licences hold none, but they are not ours to trust.
  std::string notices(third_party_notices());
  for (size_t at; (at = notices.find("--")) != std::string::npos;) notices.replace(at, 2, "==");
  return notices;
}

}  // namespace circuit
