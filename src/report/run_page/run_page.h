// A run, or several side by side, as one HTML page that opens without a network.
#pragma once

#include <string>
#include <vector>

namespace circuit {

// The page. run_folders: each holds a run.db; at least one. Throws Error naming the run that cannot be read.
// live: what live.h's server says of the runs now; its page looks for another state. Empty: a page that asks
// for nothing.
std::string render_report(const std::vector<std::string>& run_folders, const std::string& live = "");

// render_report of one run, written to run_folder/report.html.
void write_report(const std::string& run_folder);

}  // namespace circuit
