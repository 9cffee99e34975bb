// A command that all processes of a launcher run as one.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/ranks.h"

namespace circuit {

// Runs `work` on all ranks, with world() joined: rank 0 alone prints and writes files. what: the work with its
// arguments, which must be the same on all ranks. Gives work's exit code. With one rank it is work() alone. Throws what
// work throws, having told the others, and RanksError where they fail; of another rank than the first every error is
// one, since rank 0 says the others.
int run_together(const Ranks& ranks, const std::vector<std::string>& arguments, const std::function<int()>& work);

}  // namespace circuit
