// Random numbers that are the same on every machine and whose whole state is two integers,
// so a checkpoint can store it. No std:: distributions: their results differ between libraries.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace circuit {

// SplitMix64 (Steele, Lea, Flood 2014) in counter form: draw n of seed s is a pure function of (s, n).
class Rng {
 public:
  explicit Rng(uint64_t seed, uint64_t counter = 0) : seed_(seed), counter_(counter) {}

  uint64_t next();                 // uniform over all 64-bit values
  uint64_t below(uint64_t bound);  // uniform in [0, bound), unbiased; bound > 0
  double uniform();                // uniform in [0, 1)
  double normal();                 // standard normal (Box–Muller; two draws each)

  // A generator of its own for a named purpose, so that adding one does not shift the others.
  Rng split(const std::string& purpose) const;

  uint64_t seed() const { return seed_; }
  uint64_t counter() const { return counter_; }

 private:
  uint64_t seed_;
  uint64_t counter_;
};

// Fisher–Yates; a permutation of 0 … n−1.
std::vector<int64_t> permutation(int64_t n, Rng& rng);

}  // namespace circuit
