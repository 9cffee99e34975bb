// What DeepSeek's families share: latent attention, and experts behind some dense layers.
#pragma once

#include "model/families/llama_like.h"

namespace circuit {

// All but the family's name and how its router makes gates. Throws Error naming the key.
Architecture read_deepseek(const Json& config, const std::string& place, const ExpertKeys& keys);

// n_group and topk_group into the experts' groups. best: of a group's experts, how many say how good it is.
void read_expert_groups(const Json& config, const std::string& place, int64_t best, Architecture* architecture);

// YaRN's temperature, of the scores (arXiv 2309.00071, equation 15, with mscale_all_dim in the place of 1).
void read_score_temperature(const Json& config, const std::string& place, Architecture* architecture);

Layout deepseek_layout(const Architecture& architecture);

}  // namespace circuit
