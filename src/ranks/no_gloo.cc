// Of a libtorch without Gloo's headers, as PyPI's.
#include "core/error.h"
#include "ranks/gloo_world.h"

namespace circuit {

std::shared_ptr<JoinedWorld> join_world(const Ranks& ranks, const Rendezvous&) {
  fail("ranks",
       "this build has no Gloo, so its {} ranks cannot work together. Use one for Debian's libtorch, or "
       "torch.distributed in Python.",
       ranks.count);
}

}  // namespace circuit
