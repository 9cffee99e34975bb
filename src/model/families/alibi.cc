#include <cmath>

#include "model/families/family.h"

namespace circuit {

std::vector<double> alibi_slopes(int64_t heads, double max_bias, AlibiOrder order) {
  int64_t below = 1;
  while (2 * below <= heads) below *= 2;
  std::vector<double> slopes;
  const auto slope = [&](double i, int64_t of) { return std::pow(2, -max_bias * i / static_cast<double>(of)); };
  if (order == AlibiOrder::kInterleavedLast) {
    // BLOOM and Falcon: all of the power of two below, then the odd ones of that above.
    for (int64_t i = 1; i <= below; ++i) slopes.push_back(slope(static_cast<double>(i), below));
    for (int64_t i = 1; i <= heads - below; ++i) slopes.push_back(slope(static_cast<double>(2 * i - 1), 2 * below));
    return slopes;
  }
  // MPT: of the power of two not below, the even ones first, then the odd ones, as many as there are heads.
  const int64_t above = below == heads ? heads : 2 * below;
  std::vector<double> all;
  for (int64_t i = 1; i <= above; ++i) all.push_back(slope(static_cast<double>(i), above));
  if (above == heads) return all;
  for (int64_t i = 1; i < above; i += 2) slopes.push_back(all[i]);
  for (int64_t i = 0; i < above; i += 2) slopes.push_back(all[i]);
  slopes.resize(heads);
  return slopes;
}

}  // namespace circuit
