// How the benchmarks measure: time in turns, memory in a child process; and how they print a row.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace circuit::bench {

double seconds(const std::function<void()>& action);
double median(std::vector<double> values);

// Runs all actions once unmeasured, then in turn `rounds` times, so that drift of the machine hits them
// alike. Returns the median seconds of each.
std::vector<double> in_turn(const std::vector<std::function<void()>>& actions, int rounds);

// Peak resident bytes of `work`, run by one thread of a child process, above what it had before; -1: it
// failed.
double peak_growth(const std::function<void()>& work);

// target empty: the row is for information.
void row(const std::string& name, double value, const std::string& unit, const std::string& target,
         const std::string& note = "");
void title(const std::string& text);

}  // namespace circuit::bench
