// `make bench`: speed and memory of the computation on random models of known shapes, as ratios measured side
// by side in one run. Each row names its floor: GEMM FLOPs over the GEMM rate measured here and now.
// docs/benchmarks.md says what the rows mean.
#include <fmt/core.h>
#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <exception>

#include "core/error.h"
#include "core/names.h"
#include "groups.h"

namespace circuit::bench {

const std::vector<Group>& groups() {
  static const std::vector<Group> all{
      {"opening", "a checkpoint is mapped, not read", opening},
      {"store", "a discovery into run.db, and the size of long runs", store},
      {"memory", "peak memory per token, GPT-2-small shape, beside the plan", memory},
      {"llama", "the same at Llama-3.2-1B shape; --large: 4,096 tokens", llama_memory},
      {"pairs", "methods and circuits on 8 x 32 counterfactual pairs, 1 thread", pairs},
      {"precision", "BF16 beside float32", precision},
      {"growth", "the contraction with more tokens, layers, heads, up to an 8B shape", growth},
      {"training", "EAP and circuit-tuning steps on 16 x 32 tokens, by threads", training},
      {"generation", "greedy text, beside the time to read the weights once, 1 thread", generation},
      {"page", "the report page: bytes, first paint, moves of its slider; --large: 2,000 discoveries", page},
  };
  return all;
}

namespace {

void print_help() {
  fmt::print(
      "circuit_bench [--only GROUP]... [--rounds N] [--threads N] [--large]\n\n"
      "  --only GROUP  this group of rows, may be repeated; without: all\n"
      "  --rounds N    measured rounds of every row, after one that is not (default 3)\n"
      "  --threads N   of group training (default 1, then 2); the others use one\n"
      "  --large       also the rows that take minutes each\n\ngroups:\n");
  for (const Group& group : groups()) fmt::print("  {:<12}  {}\n", group.name, group.help);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const auto value = [&] {
      if (i + 1 == argc) throw UsageError(fmt::format("[bench] {}: no value, expected one.", name));
      return std::string(argv[++i]);
    };
    if (name == "--rounds") {
      options.rounds = std::max(1, std::atoi(value().c_str()));
    } else if (name == "--threads") {
      options.threads = {std::max(1, std::atoi(value().c_str()))};
    } else if (name == "--only") {
      options.only.push_back(find_named(groups(), "group", value()).name);
    } else if (name == "--large") {
      options.large = true;
    } else {
      throw UsageError(fmt::format("[bench] '{}' is not known. Try --help.", name));
    }
  }
  return options;
}

int run(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "--help") {
    print_help();
    return 0;
  }
  const Options options = parse(argc, argv);
  // As the program does: large blocks stay with the process instead of being faulted in again every step.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  fmt::print("{:<58} {:>9} {:<8} {:>12}\n", "random models; GPT-2-small shape unless said", "", "", "target");
  for (const Group& group : groups()) {
    const bool wanted =
        options.only.empty() || std::find(options.only.begin(), options.only.end(), group.name) != options.only.end();
    if (wanted) group.run(options);
  }
  return 0;
}

}  // namespace
}  // namespace circuit::bench

int main(int argc, char** argv) {
  try {
    return circuit::bench::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
