// The groups of rows, in the order they run: those that measure memory in child processes first, before this
// process has threads.
#pragma once

#include <string>
#include <vector>

namespace circuit::bench {

struct Options {
  int rounds = 3;
  std::vector<int> threads{1, 2};
  bool large = false;             // the rows that take minutes each
  std::vector<std::string> only;  // groups; empty: all
};

struct Group {
  std::string name;
  std::string help;
  void (*run)(const Options& options);
};
const std::vector<Group>& groups();

void opening(const Options& options);
void store(const Options& options);
void memory(const Options& options);
void llama_memory(const Options& options);
void pairs(const Options& options);
void precision(const Options& options);
void growth(const Options& options);
void training(const Options& options);
void generation(const Options& options);
void page(const Options& options);

}  // namespace circuit::bench
