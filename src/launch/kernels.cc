#include "launch/kernels.h"

#include <ATen/Version.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <linux/limits.h>
#include <sys/auxv.h>
#include <torch/version.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "model/compute.h"
#include "model/onednn_products.h"

namespace circuit {
namespace {

// Set by the program beside its choices: a second start goes on, whatever became of the other variables.
constexpr char kChosen[] = "CIRCUIT_KERNELS";
constexpr int kMaxVariables = 4096;

// The rest of this part runs before the constructors of the libraries (.preinit_array), hence before OpenBLAS and
// libgomp read the environment and before libtorch registers its operators, which is most of the time that a start
// takes. Only system calls, no allocation, no libtorch.

const char* value_of(char** environment, const char* name) {
  const size_t length = std::strlen(name);
  for (char** entry = environment; *entry != nullptr; ++entry) {
    if (std::strncmp(*entry, name, length) == 0 && (*entry)[length] == '=') return *entry + length + 1;
  }
  return nullptr;
}

// The newest of OpenBLAS's cores whose instructions the processor has; null: leave it to OpenBLAS.
const char* core_setting() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vl")) return "OPENBLAS_CORETYPE=Cooperlake";
  if (__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) return "OPENBLAS_CORETYPE=SkylakeX";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return __builtin_cpu_is("amd") ? "OPENBLAS_CORETYPE=Zen" : "OPENBLAS_CORETYPE=Haswell";
  }
#endif
  return nullptr;
}

void start_again(char** argv, char** environment) {
  // By the name it was started with (ps shows it), then by what the kernel holds open. Where both fail, the program
  // goes on as it is.
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel gives the pointer as a number
  execve(reinterpret_cast<const char*>(getauxval(AT_EXECFN)), argv, environment);
  execve("/proc/self/exe", argv, environment);
}

void choose_kernels(int /*argc*/, char** argv, char** environment) {
  if (value_of(environment, kChosen) != nullptr || getauxval(AT_SECURE) != 0) return;
  // Started through the dynamic loader (ld.so ./circuit): the name is the loader's.
  if (getauxval(AT_BASE) == 0 || argv == nullptr || argv[0] == nullptr) return;
  const bool waits =
      value_of(environment, "OMP_WAIT_POLICY") != nullptr || value_of(environment, "GOMP_SPINCOUNT") != nullptr;
  const char* wait = waits ? nullptr : "OMP_WAIT_POLICY=passive";
  const char* core = value_of(environment, "OPENBLAS_CORETYPE") != nullptr ? nullptr : core_setting();
  if (wait == nullptr && core == nullptr) return;
  char* extended[kMaxVariables + 4];
  int n = 0;
  while (environment[n] != nullptr) {
    if (n == kMaxVariables) return;
    extended[n] = environment[n];
    ++n;
  }
  const char* chosen = core == nullptr   ? "CIRCUIT_KERNELS=wait"
                       : wait == nullptr ? "CIRCUIT_KERNELS=core"
                                         : "CIRCUIT_KERNELS=core,wait";
  for (const char* setting : {wait, core, chosen}) {
    if (setting != nullptr) extended[n++] = const_cast<char*>(setting);
  }
  extended[n] = nullptr;
  start_again(argv, extended);
}

__attribute__((section(".preinit_array"), used)) void (*const kBeforeLibraries)(int, char**, char**) = choose_kernels;

// "name, chosen by …": who chose `part` ("core", "wait"), by what variable.
std::string chosen_by(const char* part, const char* variable) {
  if (std::getenv(variable) == nullptr) return "chosen by the library";
  const char* chosen = std::getenv(kChosen);
  return chosen != nullptr && std::strstr(chosen, part) != nullptr ? "chosen by circuit"
                                                                   : fmt::format("from {}", variable);
}

std::string blas_text() {
  using Text = const char* (*)();
  const auto core = reinterpret_cast<Text>(dlsym(RTLD_DEFAULT, "openblas_get_corename"));
  const auto config = reinterpret_cast<Text>(dlsym(RTLD_DEFAULT, "openblas_get_config"));
  if (core == nullptr || config == nullptr) {
    use_onednn_products();
    const std::string mkl = at::hasMKL() ? at::get_mkl_version() : "not OpenBLAS";
    return are_products_onednn() ? "oneDNN, the smallest products: " + mkl : mkl;
  }
  const std::string text = config();  // "OpenBLAS 0.3.21 NO_LAPACKE …"
  const std::string name = text.substr(0, text.find(' ', text.find(' ') + 1));
  return fmt::format("{}, core {} ({})", name, core(), chosen_by("core", "OPENBLAS_CORETYPE"));
}

std::string waiting_text() {
  if (const char* count = std::getenv("GOMP_SPINCOUNT")) return fmt::format("GOMP_SPINCOUNT {}", count);
  const char* policy = std::getenv("OMP_WAIT_POLICY");
  return fmt::format("{} ({})", policy != nullptr ? policy : "spinning", chosen_by("wait", "OMP_WAIT_POLICY"));
}

}  // namespace

std::string kernels_text() {
  return fmt::format("libtorch: {}, {}\nBLAS: {}\nOpenMP threads wait: {}", TORCH_VERSION, vector_instructions(),
                     blas_text(), waiting_text());
}

}  // namespace circuit
