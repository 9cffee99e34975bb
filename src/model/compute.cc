#include "model/compute.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <set>
#include <thread>

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/setting_name.h"
#include "model/onednn_products.h"

namespace circuit {
namespace {

// Distinct (package, core) pairs; hyper-threads share one.
int physical_cores() {
  std::ifstream info("/proc/cpuinfo");
  std::set<std::pair<std::string, std::string>> cores;
  std::string line;
  std::string package;
  while (std::getline(info, line)) {
    if (line.rfind("physical id", 0) == 0) package = line;
    if (line.rfind("core id", 0) == 0) cores.emplace(package, line);
  }
  const int logical = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  return cores.empty() ? logical : std::min(logical, static_cast<int>(cores.size()));
}

void warn_of_slow_blas() {
  // One small product tells 2.7 GFLOP/s (reference BLAS) from 50 and more; it takes 0.5 ms or 12 ms.
  constexpr int64_t kSize = 256;
  constexpr double kSlowGflops = 10;
  const at::Tensor a = at::ones({kSize, kSize});
  // The best of a few on one thread, so that a busy machine is not taken for a slow library.
  constexpr int kTries = 5;
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  double rate = 0;
  for (int i = 0; i < kTries && rate <= kSlowGflops; ++i) {
    const auto start = std::chrono::steady_clock::now();
    at::mm(a, a);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    rate = std::max(rate, 2.0 * kSize * kSize * kSize / seconds / 1e9);
  }
  at::set_num_threads(threads);
  if (rate > kSlowGflops) return;
  log_warning("matrix products run at {:.1f} GFLOP/s on a thread: a slow BLAS. `make setup` chooses OpenBLAS.", rate);
}

// Where libtorch finds no CUDA device.
std::string why_no_cuda() {
  if (!at::globalContext().hasCUDART()) return "this libtorch was built without CUDA: build with another";
  void* driver = dlopen("libcuda.so.1", RTLD_LAZY);
  if (driver == nullptr) return "no NVIDIA driver on this machine (libcuda.so.1): install it";
  dlclose(driver);
  return "the NVIDIA driver shows no device: look at nvidia-smi and CUDA_VISIBLE_DEVICES";
}

}  // namespace

LoadOptions load_options(const ComputeSpec& spec) {
  LoadOptions load;
  load.dtype = spec.dtype == "bf16" ? at::kBFloat16 : at::kFloat;
  try {
    load.device = at::Device(spec.device);
  } catch (const std::exception&) {
    fail(setting("device"), "'{}' is not a device. Write cpu, cuda or cuda:0.", spec.device);
  }
  if (!load.device.is_cpu() && !load.device.is_cuda())
    fail(setting("device"), "'{}' is not supported: cpu or cuda.", spec.device);
  if (load.device.is_cuda() && !at::hasCUDA()) fail(setting("device"), "{}, or use cpu.", why_no_cuda());
  return load;
}

int64_t memory_limit(const ComputeSpec& spec) {
  if (!spec.memory.empty()) return parse_bytes(spec.memory);
  std::ifstream info("/proc/meminfo");
  std::string key;
  int64_t kilobytes = 0;
  std::string unit;
  while (info >> key >> kilobytes) {
    std::getline(info, unit);
    if (key == "MemAvailable:") return kilobytes * 1024;
  }
  return static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

int64_t resident_beside(int64_t weights) {
  std::ifstream sizes("/proc/self/statm");
  int64_t all = 0;
  int64_t resident = 0;
  if (!(sizes >> all >> resident)) return 0;
  return std::max<int64_t>(0, resident * sysconf(_SC_PAGESIZE) - weights);
}

ComputeSpec in_float32(ComputeSpec spec) {
  if (spec.dtype != "f32")
    log_warning("{} {} is not followed: this command works in float32.", setting("dtype"), spec.dtype);
  spec.dtype = "f32";
  return spec;
}

std::string vector_instructions() {
  // libtorch says it in the text of its configuration only.
  const std::string text = at::show_config();
  const std::string key = "CPU capability usage: ";
  const size_t begin = text.find(key);
  if (begin == std::string::npos) return "unknown";
  return text.substr(begin + key.size(), text.find('\n', begin) - begin - key.size());
}

void apply_compute(const ComputeSpec& spec) {
  at::set_num_threads(spec.threads > 0 ? spec.threads : physical_cores());
  load_options(spec);
  use_onednn_products();
  warn_of_slow_blas();
}

}  // namespace circuit
