#include "report/assets.h"

// .incbin compiles in no time where a C++ array of 830 kB takes seconds. Files that belong together
// stand one after the other between two labels; a newline parts them.
#define BEGIN(name) ".pushsection .rodata\n.globl circuit_" name "\ncircuit_" name ":\n"
#define FILE_BYTES(path) ".incbin \"" path "\"\n.byte 10\n"
#define END(name) ".globl circuit_" name "_end\ncircuit_" name "_end:\n.byte 0\n.popsection\n"

asm(BEGIN("page_template") FILE_BYTES(PAGE_DIR "/page.html") END("page_template"));
asm(BEGIN("page_style") FILE_BYTES(PAGE_DIR "/page.css") END("page_style"));
asm(BEGIN("page_scripts") FILE_BYTES(PAGE_DIR "/charts.js") FILE_BYTES(PAGE_DIR "/table.js")
        FILE_BYTES(PAGE_DIR "/elements.js") FILE_BYTES(PAGE_DIR "/data_table.js") FILE_BYTES(PAGE_DIR "/series.js")
            FILE_BYTES(PAGE_DIR "/layout.js") FILE_BYTES(PAGE_DIR "/heat_map.js")
                FILE_BYTES(PAGE_DIR "/circuit_canvas.js") FILE_BYTES(PAGE_DIR "/series_plot.js")
                    FILE_BYTES(PAGE_DIR "/drawing.js") FILE_BYTES(PAGE_DIR "/compare.js")
                        FILE_BYTES(PAGE_DIR "/updates.js") FILE_BYTES(PAGE_DIR "/explorer.js")
                            FILE_BYTES(PAGE_DIR "/page.js") END("page_scripts"));
asm(BEGIN("live_script") FILE_BYTES(PAGE_DIR "/live.js") END("live_script"));
asm(BEGIN("evaluation_template") FILE_BYTES(PAGE_DIR "/evaluation.html") END("evaluation_template"));
asm(BEGIN("evaluation_scripts") FILE_BYTES(PAGE_DIR "/charts.js") FILE_BYTES(PAGE_DIR "/table.js")
        FILE_BYTES(PAGE_DIR "/evaluation.js") END("evaluation_scripts"));
asm(BEGIN("sweep_template") FILE_BYTES(PAGE_DIR "/sweep.html") END("sweep_template"));
asm(BEGIN("sweep_scripts") FILE_BYTES(PAGE_DIR "/charts.js") FILE_BYTES(PAGE_DIR "/table.js")
        FILE_BYTES(PAGE_DIR "/sweep.js") END("sweep_scripts"));
asm(BEGIN("chart_bundles") FILE_BYTES(NPM_DIR "/vega/build/vega.min.js")
        FILE_BYTES(NPM_DIR "/vega-lite/build/vega-lite.min.js")
            FILE_BYTES(NPM_DIR "/vega-embed/build/vega-embed.min.js") END("chart_bundles"));
asm(BEGIN("notices") FILE_BYTES(NOTICES) END("notices"));

extern "C" {
extern const char circuit_page_template[], circuit_page_template_end[];
extern const char circuit_page_style[], circuit_page_style_end[];
extern const char circuit_page_scripts[], circuit_page_scripts_end[];
extern const char circuit_live_script[], circuit_live_script_end[];
extern const char circuit_evaluation_template[], circuit_evaluation_template_end[];
extern const char circuit_evaluation_scripts[], circuit_evaluation_scripts_end[];
extern const char circuit_sweep_template[], circuit_sweep_template_end[];
extern const char circuit_sweep_scripts[], circuit_sweep_scripts_end[];
extern const char circuit_chart_bundles[], circuit_chart_bundles_end[];
extern const char circuit_notices[], circuit_notices_end[];
}

namespace circuit {
namespace {

std::string_view between(const char* begin, const char* end) { return {begin, static_cast<size_t>(end - begin)}; }

}  // namespace

std::string_view page_template() { return between(circuit_page_template, circuit_page_template_end); }
std::string_view page_style() { return between(circuit_page_style, circuit_page_style_end); }
std::string_view page_scripts() { return between(circuit_page_scripts, circuit_page_scripts_end); }
std::string_view live_script() { return between(circuit_live_script, circuit_live_script_end); }
std::string_view evaluation_template() { return between(circuit_evaluation_template, circuit_evaluation_template_end); }
std::string_view evaluation_scripts() { return between(circuit_evaluation_scripts, circuit_evaluation_scripts_end); }
std::string_view sweep_template() { return between(circuit_sweep_template, circuit_sweep_template_end); }
std::string_view sweep_scripts() { return between(circuit_sweep_scripts, circuit_sweep_scripts_end); }
std::string_view chart_bundles() { return between(circuit_chart_bundles, circuit_chart_bundles_end); }
std::string_view third_party_notices() { return between(circuit_notices, circuit_notices_end); }

}  // namespace circuit
