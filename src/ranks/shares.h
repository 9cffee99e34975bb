// Which of n parts of a piece of work are whose, and their results together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ranks/communicator.h"

namespace circuit {

// Parts first … last − 1.
struct Share {
  int64_t first = 0, last = 0;
  int64_t count() const { return last - first; }
  bool has(int64_t part) const { return first <= part && part < last; }
};

// Of n parts in a row, as even as can be; of fewer parts than ranks the first one is rank 0's.
inline int64_t parts_of(int64_t n, int64_t size) { return (n + size - 1) / size; }
Share share_of(int64_t n, int rank, int count);
inline Share share_of(int64_t n, const Communicator& ranks) { return share_of(n, ranks.rank(), ranks.count()); }

// What all ranks have, rank by rank: every rank's own parts in order make all parts in order.
std::vector<double> joined(Communicator& ranks, const std::string& what, const std::vector<double>& own);

}  // namespace circuit
