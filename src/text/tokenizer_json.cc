#include "text/tokenizer_json.h"

#include "core/error.h"
#include "core/log.h"
#include "text/json_shape.h"

namespace circuit {
namespace {

Bpe::Merge read_merge(const Json& json, const std::string& place) {
  if (json.is_array() && json.size() == 2 && json[0].is_string() && json[1].is_string()) {
    return {json[0].get<std::string>(), json[1].get<std::string>()};
  }
  if (json.is_string()) {
    const auto& pair = json.get_ref<const std::string&>();
    const size_t space = pair.find(' ');
    if (space != std::string::npos && pair.find(' ', space + 1) == std::string::npos) {
      return {pair.substr(0, space), pair.substr(space + 1)};
    }
  }
  fail(place, "found {}, expected \"left right\" or [\"left\", \"right\"].", json.dump());
}

// A key whose value may be absent, null or empty, all of which mean "none".
void refuse_text(const Json& model, const std::string& key, const std::string& place) {
  const std::string value = optional_string(model, key, "", place);
  if (!value.empty()) fail(place, "{}: found '{}'; vocabularies with one are not supported.", key, value);
}

std::unique_ptr<Bpe> read_model(const Json& json, const std::string& place) {
  if (!json.is_object()) fail(place, "found a {}, expected an object.", json.type_name());
  // Files of 2020 have no type; only BPE models have merges.
  const std::string type = optional_string(json, "type", "BPE", place);
  if (type != "BPE") fail(place, "type: found '{}', expected BPE.", type);
  refuse_unknown_keys(json,
                      {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
                       "byte_fallback", "ignore_merges", "vocab", "merges"},
                      place);
  refuse_text(json, "continuing_subword_prefix", place);
  refuse_text(json, "end_of_word_suffix", place);
  if (optional_number(json, "dropout", 0, place) != 0) {
    fail(place, "dropout: found a number, expected null. Token ids would be random.");
  }
  BpeOptions options;
  const std::string unk = optional_string(json, "unk_token", "", place);
  if (!unk.empty()) options.unk_token = unk;
  options.fuse_unk = optional_bool(json, "fuse_unk", false, place);
  options.byte_fallback = optional_bool(json, "byte_fallback", false, place);
  options.ignore_merges = optional_bool(json, "ignore_merges", false, place);
  std::vector<Bpe::Merge> merges;
  for (const Json& merge : require_array(json, "merges", place)) {
    merges.push_back(read_merge(merge, fmt::format("{}.merges[{}]", place, merges.size())));
  }
  return std::make_unique<Bpe>(read_vocabulary(require(json, "vocab", place), place), merges, options, place);
}

AddedToken read_added_token(const Json& json, const std::string& place) {
  if (!json.is_object()) fail(place, "found a {}, expected an object.", json.type_name());
  refuse_unknown_keys(json, {"id", "content", "special", "single_word", "lstrip", "rstrip", "normalized"}, place);
  AddedToken token;
  token.id = require_int(json, "id", place);
  token.content = require_string(json, "content", place);
  token.special = optional_bool(json, "special", false, place);
  token.single_word = optional_bool(json, "single_word", false, place);
  token.lstrip = optional_bool(json, "lstrip", false, place);
  token.rstrip = optional_bool(json, "rstrip", false, place);
  token.normalized = optional_bool(json, "normalized", !token.special, place);
  return token;
}

void read_added_tokens(const Json& root, const std::string& place, TokenizerParts& parts) {
  if (!root.contains("added_tokens") || root["added_tokens"].is_null()) return;
  size_t index = 0;
  for (const Json& json : require_array(root, "added_tokens", place)) {
    const std::string at = fmt::format("{}:added_tokens[{}]", place, index++);
    parts.added.add(read_added_token(json, at), *parts.model, at);
  }
}

// The ids a template's special token stands for.
std::vector<int64_t> read_template_ids(const Json& post, const std::string& name, const std::string& place) {
  const Json& tokens = require(post, "special_tokens", place);
  const Json& entry = require(tokens, name, place + ".special_tokens");
  std::vector<int64_t> ids;
  for (const Json& id : require_array(entry, "ids", fmt::format("{}.special_tokens.{}", place, name))) {
    ids.push_back(int_of(id, "special_tokens." + name + ".ids", place));
  }
  return ids;
}

void read_template(const Json& json, const std::string& place, TokenizerParts& parts) {
  refuse_unknown_keys(json, {"single", "pair", "special_tokens"}, place);
  if (parts.has_template) fail(place, "a second TemplateProcessing, expected one.");
  parts.has_template = true;
  bool seen_text = false;
  size_t index = 0;
  for (const Json& item : require_array(json, "single", place)) {
    const std::string at = fmt::format("{}.single[{}]", place, index++);
    if (item.is_object() && item.size() == 1 && item.contains("SpecialToken")) {
      const std::string name = require_string(item["SpecialToken"], "id", at + ".SpecialToken");
      auto& side = seen_text ? parts.after : parts.before;
      for (const int64_t id : read_template_ids(json, name, place)) side.push_back(id);
    } else if (item.is_object() && item.size() == 1 && item.contains("Sequence")) {
      const std::string name = require_string(item["Sequence"], "id", at + ".Sequence");
      if (name != "A" || seen_text) fail(at, "found sequence {}, expected sequence A once.", name);
      seen_text = true;
    } else {
      fail(at, "found {}, expected {{\"SpecialToken\": …}} or {{\"Sequence\": …}}.", item.dump());
    }
  }
  if (!seen_text) fail(place, "single: the text itself (sequence A) is missing.");
}

void read_post_processor(const Json& json, const std::string& place, TokenizerParts& parts) {
  if (json.is_null()) return;
  const std::string type = require_type(json, place);
  if (type == "TemplateProcessing") return read_template(json, place, parts);
  if (type == "ByteLevel") {
    // Adds no token; it would only trim the reported ranges, which here cover the space of a token.
    return refuse_unknown_keys(json, {"add_prefix_space", "trim_offsets", "use_regex"}, place);
  }
  if (type != "Sequence") {
    fail(place, "type: found '{}', expected TemplateProcessing, ByteLevel or Sequence.", type);
  }
  refuse_unknown_keys(json, {"processors"}, place);
  size_t index = 0;
  for (const Json& step : require_array(json, "processors", place)) {
    const std::string at = fmt::format("{}.processors[{}]", place, index++);
    if (step.is_null()) fail(at, "found null, expected an object.");
    read_post_processor(step, at, parts);
  }
}

void check_ids(const std::vector<int64_t>& ids, const TokenizerParts& parts, const std::string& place) {
  for (const int64_t id : ids) {
    if (parts.token_of(id) == nullptr) fail(place, "special_tokens: no token has id {}.", id);
  }
}

bool is_of_type(const Json& step, const char* type) {
  return step.is_object() && step.contains("type") && step.at("type") == type;
}

Json without_prepend(const Json& normalizer) {
  if (is_of_type(normalizer, "Prepend")) return nullptr;
  if (!is_of_type(normalizer, "Sequence") || !normalizer.contains("normalizers")) return normalizer;
  Json kept = normalizer;
  Json& steps = kept["normalizers"] = Json::array();
  for (const Json& step : normalizer["normalizers"]) {
    if (!is_of_type(step, "Prepend")) steps.push_back(step);
  }
  return kept;
}

Json part(const Json& root, const char* key) { return root.contains(key) ? root[key] : Json(); }

}  // namespace

TokenizerParts read_tokenizer_json(std::string_view text, const std::string& place, const PrefixSpace& prefix) {
  return read_tokenizer_root(parse_json(text, place), place, prefix);
}

TokenizerParts read_tokenizer_root(const Json& root, const std::string& place, const PrefixSpace& prefix) {
  if (!root.is_object()) fail(place, "found a {}, expected an object.", root.type_name());
  refuse_unknown_keys(root,
                      {"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                       "post_processor", "decoder", "model"},
                      place);
  for (const char* key : {"truncation", "padding"}) {
    // Whoever calls the tokenizer sets these anew, in Hugging Face transformers too.
    if (!part(root, key).is_null()) log_warning("{}: {} is not applied.", place, key);
  }
  TokenizerParts parts;
  parts.model = read_model(require(root, "model", place), place + ":model");
  Json normalizer = part(root, "normalizer");
  Json pre_tokenizer = part(root, "pre_tokenizer");
  if (is_of_type(pre_tokenizer, "ByteLevel") && prefix.byte_level) {
    pre_tokenizer["add_prefix_space"] = *prefix.byte_level;
  }
  if (!prefix.prepends) {
    if (is_of_type(pre_tokenizer, "Metaspace")) {
      pre_tokenizer.erase("add_prefix_space");
      pre_tokenizer["prepend_scheme"] = "never";
    }
    normalizer = without_prepend(normalizer);
  }
  parts.normalizer = read_normalizer(normalizer, place + ":normalizer");
  parts.pre_tokenizer = read_pre_tokenizer(pre_tokenizer, place + ":pre_tokenizer");
  parts.decoder = read_decoder(part(root, "decoder"), place + ":decoder");
  read_added_tokens(root, place, parts);
  read_post_processor(part(root, "post_processor"), place + ":post_processor", parts);
  check_ids(parts.before, parts, place + ":post_processor");
  check_ids(parts.after, parts, place + ":post_processor");
  return parts;
}

}  // namespace circuit
