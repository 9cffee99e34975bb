#include "ranks/together.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "core/log.h"
#include "io/files.h"
#include "ranks/gloo_world.h"
#include "ranks/joined_world.h"

namespace circuit {
namespace {

constexpr int kFailure = 1;

// Of a rank whose results are rank 0's too.
void say_nothing() {
  std::fflush(stdout);
  if (std::freopen("/dev/null", "w", stdout) == nullptr) std::fclose(stdout);
  set_silent();
}

}  // namespace

int run_together(const Ranks& ranks, const std::vector<std::string>& arguments, const std::function<int()>& work) {
  if (ranks.count == 1) return work();
  // Who writes to a rank that was just killed hears of it as an error, and says whom it lost.
  std::signal(SIGPIPE, SIG_IGN);
  const Rendezvous rendezvous = rendezvous_of([](const char* name) -> const char* { return std::getenv(name); });
  const std::shared_ptr<JoinedWorld> joined = join_world(ranks, rendezvous);
  const WorldScope scope(*joined);
  try {
    std::string line;
    for (const std::string& argument : arguments) line += (line.empty() ? "" : " ") + argument;
    agree(*joined, "command line", line);
    std::optional<NoFiles> no_files;
    if (!joined->leads()) {
      say_nothing();
      no_files.emplace();
    }
    const int code = work();
    joined->finish();
    return code;
  } catch (const RanksError&) {
    throw;
  } catch (const std::exception& error) {
    const std::string why = error.what();
    joined->leave(why.substr(0, why.find('\n')));
    if (joined->leads()) throw;
    // Rank 0 fails as this one does, or hears of it.
    return kFailure;
  }
}

}  // namespace circuit
