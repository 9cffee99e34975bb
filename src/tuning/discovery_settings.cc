#include "tuning/discovery_settings.h"

namespace circuit {

void DiscoverySettings::declare(Settings* s) {
  s->section("discovery");
  score.declare(s);
  s->add("every", &every, "K: steps between discoveries.").at_least(1).in("steps");
  s->add("batches", &batches, "Batches drawn for a discovery; 0: the step's own.").at_least(0);
  graph.declare(s);
  s->add("smoothing", &smoothing,
         "a: circuits come from S' = a S' + (1 - a) S over the discoveries; 0: from the last scores alone.")
      .range(0, 0.9999);
}

}  // namespace circuit
