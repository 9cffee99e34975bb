#include "report/kit/assets.h"

#include <stdexcept>

// .incbin compiles in no time where a C++ array of 830 kB takes seconds. Each file stands between two labels, with a
// newline behind it.
#define ASSET(symbol, name, path)                                                                             \
  asm(".pushsection .rodata\n.globl circuit_asset_" #symbol "\n.hidden circuit_asset_" #symbol                \
      "\ncircuit_asset_" #symbol ":\n.incbin \"" path "\"\n.byte 10\n.globl circuit_asset_" #symbol           \
      "_end\n.hidden circuit_asset_" #symbol "_end\ncircuit_asset_" #symbol "_end:\n.byte 0\n.popsection\n"); \
  extern "C" __attribute__((visibility("hidden"))) const char circuit_asset_##symbol[], circuit_asset_##symbol##_end[];
#include ASSET_LIST
#undef ASSET

namespace circuit {
namespace {

struct Asset {
  std::string_view name;
  const char *begin, *end;
};

#define ASSET(symbol, name, path) {name, circuit_asset_##symbol, circuit_asset_##symbol##_end},
constexpr Asset kAssets[] = {
#include ASSET_LIST
};
#undef ASSET

}  // namespace

std::string_view asset(std::string_view name) {
  for (const Asset& a : kAssets) {
    if (a.name == name) return {a.begin, static_cast<size_t>(a.end - a.begin)};
  }
  throw std::logic_error("no asset " + std::string(name));
}

std::string assets(const std::vector<const char*>& names) {
  std::string text;
  for (const char* name : names) text += asset(name);
  return text;
}

const std::string& chart_bundles() {
  static const std::string bundles = assets({"vega.min.js", "vega-lite.min.js", "vega-embed.min.js"});
  return bundles;
}

std::string_view third_party_notices() { return asset("notices.txt"); }

}  // namespace circuit
