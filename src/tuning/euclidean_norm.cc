#include "tuning/euclidean_norm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <type_traits>
#include <vector>

#include "model/wide.h"
#include "tuning/elementwise.h"

namespace circuit {
namespace {

// Σ t² of adjacent elements. Lanes, so that the compiler may add several at once; into float64 before they grow large.
template <class T>
double squares(const T* t, int64_t n) {
  using Sum = std::conditional_t<std::is_same_v<T, double>, double, float>;
  constexpr int64_t kLanes = 16;
  constexpr int64_t kRun = 1024;
  double total = 0;
  for (int64_t first = 0; first < n; first += kRun) {
    const int64_t end = std::min(first + kRun, n);
    std::array<Sum, kLanes> lanes{};
    int64_t i = first;
    for (; i + kLanes <= end; i += kLanes) {
      for (int64_t k = 0; k < kLanes; ++k) {
        const auto x = static_cast<Sum>(t[i + k]);
        lanes[k] += x * x;
      }
    }
    for (; i < end; ++i) lanes[0] += static_cast<Sum>(t[i]) * static_cast<Sum>(t[i]);
    for (const Sum lane : lanes) total += static_cast<double>(lane);
  }
  return total;
}

template <class T>
double norm_by_rows(const at::Tensor& t) {
  const int64_t rows = t.dim() == 2 ? t.size(0) : 1;
  std::vector<double> sums(rows);
  constexpr int64_t kElements = int64_t{1} << 16;
  at::parallel_for(0, rows, std::max<int64_t>(1, kElements / std::max<int64_t>(1, t.size(-1))),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t r = begin; r < end; ++r) {
                       sums[r] = squares(t.data_ptr<T>() + (t.dim() == 2 ? r * t.stride(0) : 0), t.size(-1));
                     }
                   });
  return std::sqrt(std::accumulate(sums.begin(), sums.end(), 0.0));
}

}  // namespace

double euclidean_norm(const at::Tensor& t) {
  if (!t.is_cpu()) return at::linalg_vector_norm(wide(t)).item<double>();
  const at::Tensor rows = walks_by_rows(t) ? t : t.flatten();
  if (rows.scalar_type() == at::kDouble) return norm_by_rows<double>(rows);
  if (rows.scalar_type() == at::kBFloat16) return norm_by_rows<at::BFloat16>(rows);
  return norm_by_rows<float>(rows);
}

std::vector<double> euclidean_norms(const std::vector<at::Tensor>& all, double undefined) {
  std::vector<double> norms(all.size(), undefined);
  std::vector<at::Tensor> on_device;
  std::vector<size_t> place;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!all[i].defined()) continue;
    if (all[i].is_cpu()) {
      norms[i] = euclidean_norm(all[i]);
      continue;
    }
    on_device.push_back(all[i].to(wide(all[i].scalar_type())));
    place.push_back(i);
  }
  if (on_device.empty()) return norms;
  const at::Tensor found = at::stack(at::_foreach_norm(on_device)).to(at::kDouble).to(at::kCPU);
  for (size_t i = 0; i < place.size(); ++i) norms[place[i]] = found.data_ptr<double>()[i];
  return norms;
}

}  // namespace circuit
