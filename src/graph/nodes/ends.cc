// The nodes outside the layers: `input` writes the token embedding, `logits` reads the last stream.
#include "graph/node_kind.h"

namespace circuit {
namespace {

int64_t one(const Graph&, int64_t) { return 1; }
std::string input_name(const Graph&, int64_t, int64_t) { return "input"; }
std::string logits_name(const Graph&, int64_t, int64_t) { return "logits"; }

}  // namespace

const NodeKind kInputNode{input_name, one};
const NodeKind kLogitsNode{logits_name, one};

}  // namespace circuit
