// The files of the pages, held in the program (CMakeLists.txt says which and where from).
#pragma once

#include <string_view>

namespace circuit {

std::string_view page_template();        // page/page.html, with {{name}} placeholders
std::string_view page_style();           // page/page.css
std::string_view page_scripts();         // those of page/ that assets.cc lists, in that order
std::string_view live_script();          // page/live.js
std::string_view evaluation_template();  // page/evaluation.html, the same
std::string_view evaluation_scripts();   // page/charts.js, table.js, evaluation.js
std::string_view sweep_template();       // page/sweep.html, the same
std::string_view sweep_scripts();        // page/charts.js, table.js, sweep.js
std::string_view chart_bundles();        // vega, vega-lite, vega-embed: UMD bundles
std::string_view third_party_notices();  // the bundles' licences

}  // namespace circuit
