#include "cli/command.h"
#include "cli/validators.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <fstream>
#include <set>
#include <thread>

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "model/memory.h"

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

}  // namespace

void add_common(CLI::App& command, CommonOptions* o) {
  command.add_option("--threads", o->threads, "threads (default: physical cores)")->check(between(1, 1024));
  command.add_option("--seed", o->seed, "seed of everything random");
  command.add_option("--device", o->device, "cpu, cuda or cuda:i");
  command.add_option("--dtype", o->dtype, "precision of the computation")->check(CLI::IsMember({"f32", "bf16"}));
  command.add_option("--memory", o->memory, "memory to stay inside, e.g. 16GiB (default: what is free)");
  command.add_flag("--quiet", o->quiet, "no progress and no information on stderr");
  command.add_flag("--json", o->json, "results as JSON on stdout");
}

void apply_common(const CommonOptions& options) {
  set_quiet(options.quiet);
  at::set_num_threads(options.threads > 0 ? options.threads : physical_cores());
  load_options(options);
  warn_of_slow_blas();
}

CommonOptions in_float32(CommonOptions options) {
  if (options.dtype != "f32") log_warning("--dtype {} is not followed: this command works in float32.", options.dtype);
  options.dtype = "f32";
  return options;
}

LoadOptions load_options(const CommonOptions& options) {
  LoadOptions load;
  load.dtype = options.dtype == "bf16" ? at::kBFloat16 : at::kFloat;
  try {
    load.device = at::Device(options.device);
  } catch (const std::exception&) {
    fail("--device", "'{}' is not a device. Write cpu, cuda or cuda:0.", options.device);
  }
  if (!load.device.is_cpu() && !load.device.is_cuda())
    fail("--device", "'{}' is not supported: cpu or cuda.", options.device);
  if (load.device.is_cuda() && !at::hasCUDA()) {
    fail("--device", "no CUDA device: this libtorch was built without CUDA, or no GPU is present. Use cpu.");
  }
  return load;
}

int64_t memory_limit(const CommonOptions& options) {
  if (!options.memory.empty()) return parse_bytes(options.memory);
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

OpenModel::OpenModel(const std::string& directory, const CommonOptions& options)
    : checkpoint(Checkpoint::open(directory)),
      model(Model::load(checkpoint, load_options(options))),
      tokenizer(directory) {
  for (const std::string& note : model.architecture().notes) log_info("{}: {}.", directory, note);
}

namespace {

Dataset read_records(const std::string& path, const OpenModel& open, const RecordOptions& options) {
  ReadSpec read;
  read.begin_token = parse_begin_token(options.bos);
  read.max_length = options.max_length;
  Dataset data = read_dataset(path, open.tokenizer, read);
  if (data.truncated > 0) {
    log_info("{}: {} records shortened to {} tokens, {} readouts and {} records dropped.", path, data.truncated,
             options.max_length, data.dropped_readouts, data.dropped_records);
  }
  return data;
}

std::vector<const Example*> pointers_to(const std::vector<Example>& examples) {
  std::vector<const Example*> all;
  for (const Example& e : examples) all.push_back(&e);
  return all;
}

}  // namespace

ScoredRecords::ScoredRecords(const std::string& path, const std::string& ablation_path, const OpenModel& open,
                             const RecordOptions& options, ScoreSpec* spec)
    : data(read_records(path, open, options)), examples(pointers_to(data.examples)) {
  for (const Example* e : examples) check_metric(spec->metric, *e);
  if (ablation_path.empty()) return;
  reference_data = read_records(ablation_path, open, options);
  reference = pointers_to(reference_data.examples);
  spec->ablation_reference = &reference;
}

int64_t longest_of(const std::vector<const Example*>& examples) {
  size_t longest = 1;
  for (const Example* e : examples) longest = std::max(longest, e->ids.size());
  return static_cast<int64_t>(longest);
}

int64_t batch_in_memory(const ScorePlan& plan, int64_t wanted, const CommonOptions& options) {
  const int64_t limit = memory_limit(options);
  const int64_t batch = plan.fitting_batch(wanted, limit);
  const auto bytes = [](int64_t n) { return format_bytes(static_cast<double>(n)); };
  if (batch == 0) {
    fail("--memory",
         "one record of {} tokens takes about {}, expected at most {}. Give more memory, set --max-length, or "
         "use --dtype bf16.",
         plan.tokens, bytes(plan.total(1)), bytes(limit));
  }
  log_info("memory: at most about {}: weights {}, {} whatever the batch, {} a token; batches of {}{}.",
           bytes(plan.total(batch)), bytes(plan.weights), bytes(plan.fixed), bytes(plan.per_token), batch,
           batch < wanted ? fmt::format(" instead of {} to stay inside {}", wanted, bytes(limit)) : "");
  return batch;
}

std::string with_commas(int64_t value) {
  std::string digits = std::to_string(value);
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > (value < 0 ? 1 : 0); at -= 3) digits.insert(at, ",");
  return digits;
}

}  // namespace circuit
