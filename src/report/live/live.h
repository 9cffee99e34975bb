// The page of runs that go on: served, and loaded again by the browser when there is more.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace circuit {

// How far the runs are, as one line of text that changes with every step, discovery, evaluation and status.
// Throws Error naming the run that cannot be read.
std::string runs_state(const std::vector<std::string>& run_folders);

// Serves the report of the runs at / and runs_state at /state, on 127.0.0.1. port 0: a free one. started(url)
// is called once it listens. A page is made when it is asked for and the runs have gone on. Throws Error when
// the port cannot be had or a run cannot be read at the start; later failures are answers.
void serve_report(const std::vector<std::string>& run_folders, int port,
                  const std::function<void(const std::string& url)>& started, const std::function<bool()>& stop);

}  // namespace circuit
