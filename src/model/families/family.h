// A model family: how its config.json and tensor names map to the computation. One file each, one line
// in CIRCUIT_FAMILIES.
#pragma once

#include <string>
#include <vector>

#include "io/json.h"
#include "model/architecture.h"
#include "model/layout.h"

namespace circuit {

struct Family {
  std::string model_type;  // config.json's "model_type"
  // Throws Error naming the key of config.json that is missing or not supported.
  Architecture (*read_config)(const Json& config, const std::string& place);
  Layout (*layout)(const Architecture& architecture);
};

// Every family, in the order --help lists them.
const std::vector<Family>& families();

// The family of a config.json. Throws Error listing the known ones.
const Family& find_family(const Json& config, const std::string& place);

// Whether a config.json is of a model with a text part of a known family (text_config) and other parts beside it, such
// as a vision tower; and that part alone. Throws Error as a family does, and for those whose text part is not worked as
// that family's alone is.
bool is_wrapper(const Json& config);
// Makes an architecture the text part of a model of this type: the wrapper's own head takes logits as they are, without
// the text family's bias, scale and cap.
void wrap(const std::string& type, Architecture* architecture);
Architecture read_wrapped(const Json& config, const std::string& place);

// A family is one file and one line here. It is declared, and listed in this order.
#define CIRCUIT_FAMILIES(METHOD)  \
  METHOD(gpt2_family)             \
  METHOD(llama_family)            \
  METHOD(mistral_family)          \
  METHOD(qwen2_family)            \
  METHOD(gpt_neox_family)         \
  METHOD(qwen3_family)            \
  METHOD(gemma2_family)           \
  METHOD(gemma3_text_family)      \
  METHOD(gemma3_family)           \
  METHOD(opt_family)              \
  METHOD(gemma_family)            \
  METHOD(starcoder2_family)       \
  METHOD(gpt_bigcode_family)      \
  METHOD(gpt_neo_family)          \
  METHOD(gptj_family)             \
  METHOD(phi_family)              \
  METHOD(phi3_family)             \
  METHOD(stablelm_family)         \
  METHOD(olmo_family)             \
  METHOD(olmo2_family)            \
  METHOD(olmo3_family)            \
  METHOD(granite_family)          \
  METHOD(cohere_family)           \
  METHOD(cohere2_family)          \
  METHOD(glm_family)              \
  METHOD(glm4_family)             \
  METHOD(nemotron_family)         \
  METHOD(exaone4_family)          \
  METHOD(smollm3_family)          \
  METHOD(seed_oss_family)         \
  METHOD(arcee_family)            \
  METHOD(ernie4_5_family)         \
  METHOD(hunyuan_v1_dense_family) \
  METHOD(codegen_family)          \
  METHOD(persimmon_family)        \
  METHOD(bloom_family)            \
  METHOD(mpt_family)              \
  METHOD(falcon_family)           \
  METHOD(apertus_family)          \
  METHOD(mixtral_family)          \
  METHOD(qwen2_moe_family)        \
  METHOD(qwen3_moe_family)        \
  METHOD(olmoe_family)            \
  METHOD(granitemoe_family)       \
  METHOD(phimoe_family)           \
  METHOD(deepseek_v3_family)      \
  METHOD(deepseek_v2_family)      \
  METHOD(gpt_oss_family)
#define CIRCUIT_DECLARE(name) Family name();
CIRCUIT_FAMILIES(CIRCUIT_DECLARE)
#undef CIRCUIT_DECLARE

// ALiBi's slopes (Press et al. 2022) for any number of heads: those of the power of two below it, then every other one
// of that above. powers: of which the list is made, 2^(−max_bias · i / heads).
enum class AlibiOrder { kInterleavedLast, kReordered };
std::vector<double> alibi_slopes(int64_t heads, double max_bias, AlibiOrder order);

// Shared by the families: an activation by its name in config.json; throws Error naming the key.
Activation parse_activation(const std::string& name, const std::string& key, const std::string& place);
// The object that says how positions rotate: rope_scaling where it is not empty, else rope_parameters (transformers 5
// reads them so), else an empty one. where: set to the place of its keys.
Json rope_object(const Json& config, const std::string& place, std::string* where);
// The share of a head's channels that rotate: partial_rotary_factor, also inside rope_object; else fallback.
double read_rotary_share(const Json& config, double fallback, const std::string& place);
// rope_object into theta and the scaling; checks what has been read into `rotary` before. Throws Error naming the key
// that is missing, not supported or out of range.
void read_rope_scaling(const Json& config, const std::string& place, RotarySpec* rotary);
// A number above zero. Throws Error naming the key.
double read_positive(const Json& config, const std::string& key, double fallback, const std::string& place);
// The ε of a norm: above zero, within float32. Throws Error naming the key.
double read_epsilon(const Json& config, const std::string& key, double fallback, const std::string& place);
// bos_token_id and eos_token_id (an integer, a list or null).
std::vector<int64_t> read_eos_ids(const Json& config, const std::string& place);
void read_token_ids(const Json& config, const std::string& place, Architecture* architecture);
// A positive integer of at most 2^31; throws Error naming the key.
int64_t require_size(const Json& config, const std::string& key, const std::string& place);
int64_t optional_size(const Json& config, const std::string& key, int64_t fallback, const std::string& place);
// The same for a number of layers, at most 16,384: each is laid out before any tensor is looked for.
int64_t require_layers(const Json& config, const std::string& key, const std::string& place);
// Notes every dropout probability above zero, since none is applied.
void note_dropout(const Json& config, Architecture* architecture);

}  // namespace circuit
