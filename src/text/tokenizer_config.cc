#include "text/tokenizer_config.h"

#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "core/log.h"
#include "io/files.h"
#include "io/json.h"

namespace circuit {
namespace {

constexpr const char* kRoles[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                  "pad_token", "cls_token", "mask_token"};
constexpr const char* kRoleLists[] = {"additional_special_tokens", "extra_special_tokens"};

Json read_object(const std::string& path) {
  if (!file_exists(path)) return Json::object();
  Json json = read_json(path, NonFinite::kKeep);
  if (!json.is_object()) fail(path, "found a {}, expected an object.", json.type_name());
  return json;
}

// A string, or an object with "content" and flags.
AddedToken read_token(const Json& json, const std::string& place) {
  AddedToken token;
  if (json.is_string()) {
    token.content = json.get<std::string>();
    return token;
  }
  if (!json.is_object()) fail(place, "found a {}, expected a string or an object.", json.type_name());
  token.content = require_string(json, "content", place);
  token.special = optional_bool(json, "special", false, place);
  token.single_word = optional_bool(json, "single_word", false, place);
  token.lstrip = optional_bool(json, "lstrip", false, place);
  token.rstrip = optional_bool(json, "rstrip", false, place);
  token.normalized = optional_bool(json, "normalized", false, place);
  return token;
}

void put_named(std::vector<NamedToken>& named, const std::string& key, AddedToken token) {
  token.special = true;
  token.normalized = false;
  const bool is_list = std::find(std::begin(kRoles), std::end(kRoles), key) == std::end(kRoles);
  const auto same = std::find_if(named.begin(), named.end(), [&](const NamedToken& n) { return n.key == key; });
  if (is_list || same == named.end()) {
    named.push_back({key, std::move(token)});
  } else {
    same->token = std::move(token);
  }
}

void read_named(const Json& json, const std::string& path, std::vector<NamedToken>& named) {
  for (const char* key : kRoles) {
    if (json.contains(key) && !json[key].is_null()) put_named(named, key, read_token(json[key], path + ":" + key));
  }
  for (const char* key : kRoleLists) {
    if (!json.contains(key) || json[key].is_null()) continue;
    if (!json[key].is_structured()) fail(path, "{}: found a {}, expected an array.", key, json[key].type_name());
    for (const Json& token : json[key]) put_named(named, key, read_token(token, path + ":" + key));
  }
}

void read_added_tokens_json(const std::string& path, TokenizerConfig& config) {
  const Json ids = read_object(path);
  for (const auto& [content, id] : ids.items()) {
    AddedToken token;
    token.content = content;
    token.id = int_of(id, "'" + content + "'", path);
    token.special = std::any_of(config.named.begin(), config.named.end(),
                                [&t = token](const NamedToken& n) { return n.token.content == t.content; });
    token.normalized = !token.special;
    config.added.push_back(std::move(token));
  }
}

void read_added_tokens_decoder(const Json& json, const std::string& path, TokenizerConfig& config) {
  if (!json.contains("added_tokens_decoder") || json["added_tokens_decoder"].is_null()) return;
  const Json& decoder = json["added_tokens_decoder"];
  if (!decoder.is_object()) {
    fail(path, "added_tokens_decoder: found a {}, expected an object.", decoder.type_name());
  }
  for (const auto& [id, entry] : decoder.items()) {
    AddedToken token = read_token(entry, fmt::format("{}:added_tokens_decoder.{}", path, id));
    const auto parsed = std::from_chars(id.data(), id.data() + id.size(), token.id);
    if (parsed.ec != std::errc() || parsed.ptr != id.data() + id.size()) {
      fail(path, "added_tokens_decoder: found key '{}', expected a token id.", id);
    }
    config.added.push_back(std::move(token));
  }
}

// Makes the named token a special added token. Returns its id, or nothing when no token has its content.
std::optional<int64_t> mark_special(const NamedToken& named, const std::string& place, TokenizerParts& parts) {
  const auto id = parts.id_of(named.token.content);
  if (!id) return std::nullopt;
  const AddedToken* known = parts.added.find(*id);
  AddedToken token = known != nullptr ? *known : named.token;
  token.id = *id;
  token.special = true;
  parts.added.add(token, *parts.model, place + ":" + named.key);
  return id;
}

// A class of transformers that writes its own post-processor, whatever tokenizer.json says.
struct AroundByClass {
  const char* name;
  bool add_bos;
  const char *bos, *eos;  // where the files name none
};
constexpr AroundByClass kAroundByClass[] = {
    {"LlamaTokenizer", true, "<s>", "</s>"},
    {"CodeLlamaTokenizer", true, "<s>", "</s>"},
    {"GemmaTokenizer", true, "<bos>", "<eos>"},
    {"CohereTokenizer", true, "<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>"},
    {"GPTNeoXTokenizer", false, "<|endoftext|>", "<|endoftext|>"},
};

const AroundByClass* around_of(const std::string& tokenizer_class) {
  for (const AroundByClass& known : kAroundByClass) {
    if (tokenizer_class == known.name) return &known;
  }
  return nullptr;
}

void set_tokens_around(const TokenizerConfig& config, TokenizerParts& parts) {
  const AroundByClass* by_class = around_of(config.tokenizer_class);
  if (by_class == nullptr && !config.add_bos_token && !config.add_eos_token) return;
  const bool add_bos = config.add_bos_token.value_or(by_class != nullptr && by_class->add_bos);
  const bool add_eos = config.add_eos_token.value_or(false);
  // A template that has the token already is the model's own, with whatever stands beside it.
  const auto set = [&](const char* key, bool adds, const std::optional<int64_t>& named, const char* by_default,
                       std::vector<int64_t>* ids) {
    if (!adds) return ids->clear();
    const std::optional<int64_t> id =
        named || by_class == nullptr || config.names(key) ? named : parts.id_of(by_default);
    if (!id) {
      fail(config.place, "add_{0}: true{1}, but there is no {0} in the vocabulary. Name one, or set add_{0} to false.",
           key, by_class == nullptr ? "" : std::string(" (the default of ") + by_class->name + ")");
    }
    if (std::find(ids->begin(), ids->end(), *id) == ids->end()) *ids = {*id};
  };
  set("bos_token", add_bos, parts.bos_id, by_class == nullptr ? "" : by_class->bos, &parts.before);
  set("eos_token", add_eos, parts.eos_id, by_class == nullptr ? "" : by_class->eos, &parts.after);
}

}  // namespace

bool TokenizerConfig::names(const std::string& key) const {
  return std::any_of(named.begin(), named.end(), [&](const NamedToken& n) { return n.key == key; });
}

TokenizerConfig read_tokenizer_config(const std::string& folder) {
  TokenizerConfig config;
  config.place = folder + "/tokenizer_config.json";
  const std::string map_path = folder + "/special_tokens_map.json";
  const Json json = read_object(config.place);
  read_named(read_object(map_path), map_path, config.named);
  read_named(json, config.place, config.named);
  read_added_tokens_json(folder + "/added_tokens.json", config);
  read_added_tokens_decoder(json, config.place, config);
  config.tokenizer_class = optional_string(json, "tokenizer_class", "", config.place);
  const size_t size = config.tokenizer_class.size();
  if (size > 4 && config.tokenizer_class.compare(size - 4, 4, "Fast") == 0) config.tokenizer_class.resize(size - 4);
  const bool has_default = config.tokenizer_class != "LlamaTokenizer" && config.tokenizer_class != "CodeLlamaTokenizer";
  if (has_default || (json.contains("add_prefix_space") && !json["add_prefix_space"].is_null())) {
    config.add_prefix_space = optional_bool(json, "add_prefix_space", false, config.place);
    config.prepends_space = has_default || *config.add_prefix_space;
  }
  for (const auto& [key, value] :
       {std::pair{"add_bos_token", &config.add_bos_token}, std::pair{"add_eos_token", &config.add_eos_token}}) {
    if (json.contains(key)) *value = optional_bool(json, key, false, config.place);
  }
  if (optional_bool(json, "split_special_tokens", false, config.place)) {
    fail(config.place, "split_special_tokens: found true, expected false.");
  }
  return config;
}

TokenizerConfig parse_tokenizer_config(const Json& json, const std::string& place) {
  TokenizerConfig config;
  config.place = place;
  read_named(json, place, config.named);
  return config;
}

void apply_tokenizer_config(const TokenizerConfig& config, TokenizerParts& parts) {
  for (const AddedToken& token : config.added) parts.added.add(token, *parts.model, config.place);
  for (const NamedToken& named : config.named) {
    const auto id = mark_special(named, config.place, parts);
    if (!id) {
      log_warning("{}: {} '{}' is not in the vocabulary and is left out.", config.place, named.key,
                  named.token.content);
    }
    if (named.key == "bos_token") parts.bos_id = id;
    if (named.key == "eos_token") parts.eos_id = id;
  }
  set_tokens_around(config, parts);
}

}  // namespace circuit
