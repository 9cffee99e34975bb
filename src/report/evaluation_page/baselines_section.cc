#include "report/evaluation_page/baselines_section.h"

#include <fmt/core.h>

#include "report/evaluation_page/page_text.h"
#include "report/kit/elements.h"
#include "report/kit/text.h"

namespace circuit {
namespace {

// What the difference's interval says.
std::string verdict(const Estimate& difference) {
  if (difference.interval.low > 0) return "above";
  return difference.interval.high < 0 ? "below" : "not told apart from";
}

std::string sentence(const Baseline& b) {
  if (!b.faithfulness) return "";
  const std::string name =
      b.name == "random" ? format_count(static_cast<int64_t>(b.draws.size())) + " random circuits" : b.name;
  return fmt::format("The circuit is {} {}: {} more of the behaviour. ", strong(verdict(*b.difference)),
                     escape_html(name), with_range(*b.difference, percent));
}

std::string estimate_cell(const std::optional<Estimate>& e) {
  if (!e) return cell_html("", "not defined");
  return number_cell(e->value, decimals(e->value) + " (" + range_of(*e, decimals) + ")");
}

std::string edges_of(const Baseline& b) {
  int64_t least = b.draws[0].edges_run;
  int64_t most = least;
  for (const BaselineDraw& d : b.draws) {
    least = std::min(least, d.edges_run);
    most = std::max(most, d.edges_run);
  }
  return least == most ? format_count(least) : format_count(least) + " to " + format_count(most);
}

}  // namespace

std::string baselines_section(const CircuitEvaluation& e) {
  if (e.baselines.empty()) return "";
  std::string head, rows, sentences;
  for (const char* title :
       {"baseline", "edges run", "metric", "faithfulness", "completeness gap", "circuit minus it", "as faithful"})
    head += "<th scope=\"col\">" + escape_html(title) + "</th>";
  for (const Baseline& b : e.baselines) {
    sentences += sentence(b);
    const auto draws = static_cast<double>(b.draws.size());
    const std::string as_faithful = b.as_faithful ? fmt::format("{:.0f} of {:.0f}", *b.as_faithful * draws, draws) : "";
    rows += "<tr>" + row_heading(b.name, escape_html(b.name)) +
            cell_html(std::to_string(b.draws[0].edges_run), edges_of(b)) + estimate_cell(b.metric) +
            estimate_cell(b.faithfulness) + estimate_cell(b.completeness_gap) + estimate_cell(b.difference) +
            cell_html("", as_faithful.empty() ? "not defined" : as_faithful) + "</tr>\n";
  }
  return "<section><h2>Against circuits that know nothing of the task</h2><p>" + sentences + "</p>" +
         table_html({"Baselines of the same size", "", " id=\"baselines\"", head, rows}) +
         "<p class=\"note\">Each runs as many edges as the circuit, after the same pruning. <em>random</em>: drawn "
         "uniformly, the mean over the draws; <em>magnitude</em>: by the weights at both ends; <em>wanda</em>: by the "
         "weights that read and the size of what they read. Intervals, 95 %, are over the examples, those of "
         "differences paired.</p></section>\n";
}

}  // namespace circuit
