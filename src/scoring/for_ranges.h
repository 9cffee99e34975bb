// Work on ranges of independent parts.
#pragma once

#include <ATen/Parallel.h>

#include <cstdint>

#include "model/onednn_products.h"

namespace circuit {

// work(begin, end) over 0 … n − 1, on the CPU by as many threads as there are, on a device by one.
template <typename Work>
void for_ranges(int64_t n, bool parallel, const Work& work) {
  if (parallel) {
    const bool onednn = are_products_onednn();
    at::parallel_for(0, n, 1, [&](int64_t begin, int64_t end) {
      const OnednnProductsAs as_here(onednn);
      work(begin, end);
    });
  } else {
    work(0, n);
  }
}

}  // namespace circuit
