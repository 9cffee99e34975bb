#include "model/generation_config.h"

#include <algorithm>

#include "core/error.h"
#include "core/setting_name.h"
#include "io/files.h"
#include "io/json.h"

namespace circuit {
namespace {

constexpr int64_t kDefaultMaxTokens = 50;
constexpr int64_t kDefaultTopK = 50;  // transformers' own, of a file that samples

// Keys that ask for what is not done here, unless they have the value that asks for nothing (null always does).
struct Refused {
  const char* key;
  Json neutral;
  bool of_sampling = false;  // counts only when tokens are drawn
};
const std::vector<Refused>& refused_keys() {
  static const std::vector<Refused> keys{
      {"num_beams", 1},
      {"num_beam_groups", 1},
      {"num_return_sequences", 1},
      {"no_repeat_ngram_size", 0},
      {"diversity_penalty", 0.0},
      {"typical_p", 1.0, true},
      {"epsilon_cutoff", 0.0, true},
      {"eta_cutoff", 0.0, true},
      {"top_h", nullptr, true},
      {"penalty_alpha", 0.0},
      {"dola_layers", nullptr},
      {"constraints", nullptr},
      {"force_words_ids", nullptr},
      {"bad_words_ids", nullptr},
      {"forced_bos_token_id", nullptr},
      {"forced_eos_token_id", nullptr},
      {"suppress_tokens", Json::array()},
      {"begin_suppress_tokens", Json::array()},
      {"exponential_decay_length_penalty", nullptr},
      {"sequence_bias", nullptr},
      {"guidance_scale", 1.0},
      {"watermarking_config", nullptr},
      {"stop_strings", nullptr},
      {"token_healing", false},
  };
  return keys;
}

// Keys that change no token of a text: of other strategies, of the encoder, of memory, of what else is given back.
bool is_harmless(const std::string& key) {
  static const std::vector<std::string> keys{"eos_token_id",
                                             "bos_token_id",
                                             "pad_token_id",
                                             "decoder_start_token_id",
                                             "transformers_version",
                                             "_from_model_config",
                                             "_commit_hash",
                                             "use_cache",
                                             "cache_implementation",
                                             "cache_config",
                                             "max_cache_len",
                                             "early_stopping",
                                             "length_penalty",
                                             "encoder_repetition_penalty",
                                             "encoder_no_repeat_ngram_size",
                                             "output_attentions",
                                             "output_hidden_states",
                                             "output_scores",
                                             "output_logits",
                                             "return_dict_in_generate",
                                             "renormalize_logits",
                                             "remove_invalid_values",
                                             "low_memory",
                                             "compile_config",
                                             "disable_compile",
                                             "prefill_chunk_size",
                                             "is_assistant",
                                             "num_assistant_tokens",
                                             "num_assistant_tokens_schedule",
                                             "assistant_confidence_threshold",
                                             "prompt_lookup_num_tokens",
                                             "max_matching_ngram_size",
                                             "assistant_early_exit",
                                             "assistant_lookbehind",
                                             "target_lookbehind",
                                             "do_sample",
                                             "temperature",
                                             "top_k",
                                             "top_p",
                                             "min_p",
                                             "repetition_penalty",
                                             "max_new_tokens",
                                             "max_length",
                                             "min_new_tokens",
                                             "min_length"};
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

class GenerationFile {
 public:
  explicit GenerationFile(const std::string& directory) : place_(directory + "/generation_config.json") {
    if (!file_exists(place_)) return;
    json_ = read_json(place_, NonFinite::kKeep);
    if (!json_.is_object()) fail(place_, "found a {}, expected an object.", json_.type_name());
  }

  bool samples() const { return optional_bool(json_, "do_sample", false, place_); }

  void check(bool sampling, GenerateChoice* choice) const {
    for (const auto& [key, value] : json_.items()) {
      if (value.is_null()) continue;
      const auto refused = std::find_if(refused_keys().begin(), refused_keys().end(),
                                        [&name = key](const Refused& r) { return name == r.key; });
      if (refused == refused_keys().end()) {
        if (!is_harmless(key)) choice->unused.push_back(key);
        continue;
      }
      if (value == refused->neutral || (refused->of_sampling && !sampling)) continue;
      fail(place_, "{}: found {}, which is not supported. Take it out of the file.", key, value.dump());
    }
  }

  // `wish`, else the key's value; nothing where neither is. low: what the value must not be below.
  template <class T>
  std::optional<T> value(const char* key, const char* words, const std::optional<T>& wish, double low,
                         GenerateChoice* choice) const {
    if (wish || !json_.contains(key) || json_[key].is_null()) return wish;
    T found{};
    if constexpr (std::is_same_v<T, int64_t>) {
      found = optional_int(json_, key, 0, place_);
    } else {
      found = optional_number(json_, key, 0, place_);
    }
    if (static_cast<double>(found) < low) fail(place_, "{}: found {}, expected at least {}.", key, found, low);
    choice->from_file.push_back(fmt::format("{} {}", words, found));
    return found;
  }

  const std::string& place() const { return place_; }

 private:
  std::string place_;
  Json json_ = Json::object();
};

int64_t max_tokens_of(const GenerationFile& file, const GenerateWishes& wishes, int64_t prompt_tokens,
                      GenerateChoice* choice) {
  const std::optional<int64_t> most = file.value("max_new_tokens", "new tokens at most", wishes.max_tokens, 1, choice);
  if (most) return *most;
  const std::optional<int64_t> longest =
      file.value<int64_t>("max_length", "tokens with the prompt at most", {}, 1, choice);
  if (!longest) return kDefaultMaxTokens;
  if (*longest <= prompt_tokens) {
    fail(file.place(), "max_length: found {}, but the prompt has {} tokens. Give {}.", *longest, prompt_tokens,
         setting("max_tokens"));
  }
  return *longest - prompt_tokens;
}

}  // namespace

GenerateChoice choose_generation(const std::string& directory, const GenerateWishes& wishes, int64_t prompt_tokens) {
  const GenerationFile file(directory);
  GenerateChoice choice;
  SamplingSpec& sampling = choice.spec.sampling;
  constexpr double kLeast = 1e-6;  // of a temperature that is one
  const bool file_samples = file.samples();
  const bool samples = wishes.temperature ? *wishes.temperature > 0 : file_samples;
  file.check(samples, &choice);
  if (samples) {
    if (!wishes.temperature) choice.from_file.push_back("sampling");
    sampling.temperature = file.value("temperature", "temperature", wishes.temperature, kLeast, &choice).value_or(1);
    const std::optional<int64_t> top_k = file.value("top_k", "top-k", wishes.top_k, 0, &choice);
    sampling.top_k = top_k.value_or(file_samples ? kDefaultTopK : 0);
    if (!top_k && file_samples) choice.from_file.push_back(fmt::format("top-k {} (transformers' own)", kDefaultTopK));
    sampling.top_p = file.value("top_p", "top-p", wishes.top_p, 0, &choice).value_or(1);
    sampling.min_p = file.value("min_p", "min-p", wishes.min_p, 0, &choice).value_or(0);
    if (sampling.min_p > 1) fail(file.place(), "min_p: found {}, expected 0 to 1.", sampling.min_p);
  }
  sampling.repetition_penalty =
      file.value("repetition_penalty", "repetition penalty", wishes.repetition_penalty, kLeast, &choice).value_or(1);
  choice.spec.max_tokens = max_tokens_of(file, wishes, prompt_tokens, &choice);
  const std::optional<int64_t> least =
      file.value("min_new_tokens", "new tokens at least", wishes.min_tokens, 0, &choice);
  if (least) {
    choice.spec.min_tokens = *least;
  } else if (const auto with_prompt =
                 file.value<int64_t>("min_length", "tokens with the prompt at least", {}, 0, &choice)) {
    choice.spec.min_tokens = std::max<int64_t>(*with_prompt - prompt_tokens, 0);
  }
  return choice;
}

}  // namespace circuit
