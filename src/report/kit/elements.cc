#include "report/kit/elements.h"

#include "report/kit/text.h"

namespace circuit {

std::string strong(const std::string& html) { return "<strong>" + html + "</strong>"; }

std::string card_html(const Card& card) {
  std::string html = "<figure class=\"card\"><figcaption>" + card.head;
  if (!card.caption.empty()) html += "<p>" + card.caption + "</p>";
  return html + "</figcaption>" + card.controls + "<div class=\"chart" + (card.tall ? " tall" : "") + "\" id=\"" +
         escape_html(card.id) + "\"></div></figure>";
}

std::string sort_heading(const std::string& text) {
  return "<th scope=\"col\"><button type=\"button\">" + escape_html(text) + "</button></th>";
}

std::string cell_html(const std::string& value, const std::string& html, const std::string& tag) {
  return "<" + tag + " data-value=\"" + escape_html(value) + "\">" + html + "</" + tag.substr(0, 2) + ">";
}

std::string row_heading(const std::string& value, const std::string& html) {
  return cell_html(value, html, "th scope=\"row\"");
}

std::string table_html(const Table& table) {
  std::string html = "<div class=\"scroll\"";
  if (!table.label.empty()) html += " tabindex=\"0\" role=\"region\" aria-label=\"" + escape_html(table.label) + "\"";
  return html + "><table class=\"numbers " + table.classes + "\"" + table.attributes + "><thead><tr>" + table.head +
         "</tr></thead><tbody>\n" + table.rows + "</tbody></table></div>";
}

}  // namespace circuit
