#include "task/records.h"

#include <algorithm>

#include "core/error.h"
#include "core/setting_name.h"
#include "io/files.h"
#include "task/answer_token.h"
#include "task/message_records.h"
#include "task/record_keys.h"

namespace circuit {
namespace {

std::vector<int64_t> id_list(const Json& value, const std::string& key, const std::string& place) {
  std::vector<int64_t> ids;
  const auto add = [&](const Json& item) { ids.push_back(int_of(item, key, place)); };
  if (value.is_array()) {
    for (const Json& item : value) add(item);
  } else {
    add(value);
  }
  return ids;
}

// A text or its ids, as the record gives them.
struct Encoded {
  std::string text;
  std::vector<Token> tokens;  // of the text, no begin token; empty when ids were given
  std::vector<int64_t> ids;   // begin token included
  int64_t offset = 0;         // begin tokens before the text
  bool from_text = false;
};

class RecordReader {
 public:
  RecordReader(const LazyTokenizer& tokenizer, const ReadSpec& spec, Dataset* data)
      : tokenizer_(tokenizer), spec_(spec), data_(data) {}

  void read(const Json& record, const std::string& place) {
    place_ = place;
    Example example = to_example(record);
    example.place = place;
    if (spec_.max_length > 0 && !shorten(&example)) return;
    data_->examples.push_back(std::move(example));
  }

 private:
  Example to_example(const Json& record) {
    if (record.contains("messages")) return conversation(record);
    return record.contains("prompt") || record.contains("completion") ? completion(record) : contrast(record);
  }

  // As the model's chat template writes it; the template says whether a begin token stands first, spec_ does not.
  Example conversation(const Json& record) {
    allow_keys(record, {"messages", "scorer", "answers", "labels"}, place_);
    const EncodedChat chat = encode_messages(record, tokenizer_, place_);
    data_->begin_token |= chat.begin_token;
    Example example;
    example.ids = chat.ids;
    example.first_target = static_cast<int64_t>(chat.first_target);
    return example;
  }

  Example completion(const Json& record) {
    // The last three say how generated text is judged: read_answer_records reads them.
    allow_keys(record, {"prompt", "completion", "scorer", "answers", "labels"}, place_);
    const std::string prompt = require_string(record, "prompt", place_);
    const std::string text = prompt + require_string(record, "completion", place_);
    if (text.size() == prompt.size()) fail(place_, "completion: is empty.");
    const Encoded side = encode(text);
    Example example;
    example.ids = side.ids;
    // The first token that reaches into the completion is its first target.
    const auto reaches = [&](const Token& t) { return t.end > prompt.size(); };
    const auto first = std::find_if(side.tokens.begin(), side.tokens.end(), reaches);
    if (first == side.tokens.end()) {
      fail(place_,
           "completion: no token of the text reaches into it: the tokenizer drops it. There is nothing to learn.");
    }
    example.first_target = (first - side.tokens.begin()) + side.offset;
    if (std::max<int64_t>(1, example.first_target) >= static_cast<int64_t>(example.ids.size())) {
      fail(place_,
           "completion: its one token is the first of the text, which nothing predicts. Give a prompt, or a begin "
           "token ({} always, data.bos).",
           setting("bos"));
    }
    return example;
  }

  Example contrast(const Json& record) {
    allow_keys(record,
               {"text", "text_ids", "counterfactual", "counterfactual_ids", "readouts", "counterfactual_readouts",
                "spans", "occupation", "gender"},
               place_);
    Example example;
    read_person(record, &example);
    const Encoded clean = side(record, "text");
    example.ids = clean.ids;
    example.first_target = std::max<int64_t>(1, clean.offset);
    if (record.contains("readouts")) example.readouts = readouts(record, "readouts", clean);
    if (record.contains("counterfactual") || record.contains("counterfactual_ids")) {
      const Encoded other = side(record, "counterfactual");
      example.counterfactual_ids = other.ids;
      if (record.contains("counterfactual_readouts")) {
        example.counterfactual_readouts = readouts(record, "counterfactual_readouts", other);
      }
    } else if (record.contains("counterfactual_readouts")) {
      fail(place_, "counterfactual_readouts: the record has no counterfactual that they could read.");
    }
    if (record.contains("spans")) read_spans(record["spans"], clean, &example);
    return example;
  }

  // Of whom the record speaks, for the measures of bias.
  void read_person(const Json& record, Example* example) {
    if (record.contains("occupation") != record.contains("gender")) {
      fail(place_, "occupation and gender come together: the person, and the gender of 'correct'.");
    }
    if (!record.contains("gender")) return;
    example->occupation = require_string(record, "occupation", place_);
    if (example->occupation.empty()) fail(place_, "occupation: is empty.");
    const std::string gender = require_string(record, "gender", place_);
    if (gender != "male" && gender != "female") fail(place_, "gender: found '{}', expected male or female.", gender);
    example->gender = gender == "male" ? Gender::kMale : Gender::kFemale;
  }

  Encoded side(const Json& record, const std::string& key) {
    if (!record.contains(key + "_ids")) return encode(require_string(record, key, place_));
    if (record.contains(key)) fail(place_, "both '{}' and '{}_ids': give one.", key, key);
    const Json& list = record[key + "_ids"];
    if (!list.is_array() || list.empty()) fail(place_, "{}_ids: expected a non-empty list of integers.", key);
    Encoded s;
    s.ids = id_list(list, key + "_ids", place_);
    return s;
  }

  Encoded encode(const std::string& text) {
    const Tokenizer& tokenizer = tokenizer_.get();
    Encoded s;
    s.from_text = true;
    s.text = text;
    s.tokens = tokenizer.encode_with_offsets(text, SpecialTokens::kNone);
    if (s.tokens.empty()) fail(place_, "the text is empty.");
    s.ids = begin_tokens(tokenizer, spec_.begin_token);
    s.offset = static_cast<int64_t>(s.ids.size());
    data_->begin_token |= s.offset > 0;
    for (const Token& t : s.tokens) s.ids.push_back(t.id);
    return s;
  }

  std::vector<Readout> readouts(const Json& record, const std::string& key, const Encoded& s) {
    const Json& list = record[key];
    if (!list.is_array() || list.empty()) fail(place_, "{}: expected a non-empty list.", key);
    std::vector<Readout> all;
    for (const Json& item : list) {
      if (!item.is_object()) fail(place_, "{}: found a {}, expected objects.", key, item.type_name());
      allow_keys(item, {"position", "byte", "correct", "wrong", "correct_id", "wrong_id", "label"}, place_);
      Readout readout;
      readout.label = optional_string(item, "label", "", place_);
      readout.position = position(item, s);
      readout.correct = answers(item, "correct", s, readout.position, &readout.label);
      std::string ignored;
      readout.wrong = answers(item, "wrong", s, readout.position, &ignored);
      refuse_common(readout);
      all.push_back(std::move(readout));
    }
    return all;
  }

  int64_t position(const Json& item, const Encoded& s) {
    const auto length = static_cast<int64_t>(s.ids.size());
    int64_t at = length;
    if (item.contains("byte") && item.contains("position")) fail(place_, "both 'byte' and 'position': give one.");
    if (item.contains("byte")) {
      if (!s.from_text) fail(place_, "byte: needs a text, the record gives ids. Use position.");
      const int64_t byte = require_int(item, "byte", place_);
      if (byte < 0 || byte > static_cast<int64_t>(s.text.size())) {
        fail(place_, "byte: {} is outside the text of {} bytes.", byte, s.text.size());
      }
      at = static_cast<int64_t>(token_at_byte(s.tokens, s.text, static_cast<size_t>(byte), place_)) + s.offset;
    } else if (item.contains("position")) {
      // Checked before the begin token is added: a hostile number must not overflow.
      const int64_t given = require_int(item, "position", place_);
      at = given < 0 || given > length ? -1 : given + s.offset;
      if (at < 1 || at > length) {
        fail(place_, "position: {} is outside {} … {}: the logits of the token before it are read.", given,
             std::max<int64_t>(0, 1 - s.offset), length - s.offset);
      }
    }
    if (at < 1) fail(place_, "byte: is in the first token, which nothing predicts. Use data.bos or a later word.");
    return at;
  }

  // A set: an answer given twice, or two words that are one token, stands once.
  std::vector<int64_t> answers(const Json& item, const std::string& key, const Encoded& s, int64_t at,
                               std::string* label) {
    if (item.contains(key + "_id")) {
      if (item.contains(key)) fail(place_, "both '{}' and '{}_id': give one.", key, key);
      return without_repeats(id_list(item[key + "_id"], key + "_id", place_));
    }
    if (!item.contains(key)) return {};
    const Json& value = item[key];
    std::vector<int64_t> ids;
    const TokenPlace place = token_place(s, at);
    const auto add = [&](const Json& word) {
      if (!word.is_string()) fail(place_, "{}: found a {}, expected strings.", key, word.type_name());
      if (label->empty()) *label = word.get<std::string>();
      ids.push_back(answer_token(tokenizer_.get(), place, word.get<std::string>(), key, place_));
    };
    if (value.is_array()) {
      for (const Json& word : value) add(word);
    } else {
      add(value);
    }
    return without_repeats(ids);
  }

  void refuse_common(const Readout& readout) {
    for (const int64_t id : readout.correct) {
      if (std::count(readout.wrong.begin(), readout.wrong.end(), id) == 0) continue;
      fail(place_, "token {} stands in 'correct' and in 'wrong' of the readout at position {}. Take it out of one.", id,
           readout.position);
    }
  }

  // Where an answer would stand: behind the tokens before position `at`.
  TokenPlace token_place(const Encoded& s, int64_t at) {
    if (!s.from_text) return place_after_ids(tokenizer_, {s.ids.begin(), s.ids.begin() + at});
    const auto before = static_cast<size_t>(at - s.offset);
    TokenPlace place;
    place.text = s.text.substr(0, before < s.tokens.size() ? s.tokens[before].begin : s.text.size());
    for (size_t i = 0; i < before; ++i) place.ids.push_back(s.tokens[i].id);
    return place;
  }

  void read_spans(const Json& spans, const Encoded& s, Example* example) {
    if (!spans.is_object()) fail(place_, "spans: found a {}, expected an object.", spans.type_name());
    const auto length = static_cast<int64_t>(s.ids.size());
    for (const auto& [name, range] : spans.items()) {
      const std::vector<int64_t> ends = id_list(range, "spans." + name, place_);
      const bool fits = ends.size() == 2 && ends[0] >= 0 && ends[0] <= ends[1] && ends[1] + s.offset < length;
      if (!fits) fail(place_, "spans.{}: expected [first, last] token indices inside the text.", name);
      example->spans.push_back({name, ends[0] + s.offset, ends[1] + s.offset});
    }
  }

  // False: nothing is left to read.
  bool shorten(Example* e) {
    const auto most = static_cast<size_t>(spec_.max_length);
    if (e->ids.size() <= most && e->counterfactual_ids.size() <= most) return true;
    ++data_->truncated;
    e->ids.resize(std::min(e->ids.size(), most));
    e->counterfactual_ids.resize(std::min(e->counterfactual_ids.size(), most));
    const bool had_readouts = !e->readouts.empty();
    const bool had_others = !e->counterfactual_readouts.empty();
    drop_readouts_beyond(e);
    e->spans.erase(
        std::remove_if(e->spans.begin(), e->spans.end(), [&](const Span& s) { return s.end >= spec_.max_length; }),
        e->spans.end());
    // Without its own, the corrupted side would be read where the text is.
    const bool lost_others = had_others && e->counterfactual_readouts.empty();
    const bool keep = !lost_others &&
                      (had_readouts ? !e->readouts.empty() : std::max<int64_t>(1, e->first_target) < spec_.max_length);
    if (!keep) ++data_->dropped_records;
    return keep;
  }

  // Where both sides have as many readouts they are pairs, and go together.
  void drop_readouts_beyond(Example* e) {
    std::vector<Readout>& own = e->readouts;
    std::vector<Readout>& others = e->counterfactual_readouts;
    const auto beyond = [&](const Readout& r) { return r.position > spec_.max_length; };
    const auto total = static_cast<int64_t>(std::max(own.size(), others.size()));
    if (own.size() == others.size()) {
      size_t kept = 0;
      for (size_t i = 0; i < own.size(); ++i) {
        if (beyond(own[i]) || beyond(others[i])) continue;
        std::swap(own[kept], own[i]);
        std::swap(others[kept++], others[i]);
      }
      own.resize(kept);
      others.resize(kept);
    } else {
      own.erase(std::remove_if(own.begin(), own.end(), beyond), own.end());
      others.erase(std::remove_if(others.begin(), others.end(), beyond), others.end());
    }
    data_->dropped_readouts += total - static_cast<int64_t>(std::max(own.size(), others.size()));
  }

  const LazyTokenizer& tokenizer_;
  const ReadSpec& spec_;
  Dataset* data_;
  std::string place_;
};

}  // namespace

const std::vector<std::pair<const char*, BeginToken>>& begin_token_names() {
  static const std::vector<std::pair<const char*, BeginToken>> names{
      {"auto", BeginToken::kAuto}, {"always", BeginToken::kAlways}, {"never", BeginToken::kNever}};
  return names;
}

BeginToken parse_begin_token(const std::string& name) {
  for (const auto& [known, value] : begin_token_names()) {
    if (name == known) return value;
  }
  throw UsageError(fmt::format("[bos] '{}' is not known. Known: auto, always, never.", name));
}

const Tokenizer& LazyTokenizer::get() const {
  if (!tokenizer_) tokenizer_.emplace(Tokenizer::load(directory_));
  return *tokenizer_;
}

const ChatTemplate& LazyTokenizer::chat() const {
  if (!chat_) chat_.emplace(load_chat_template(directory_, get()));
  return *chat_;
}

std::vector<int64_t> begin_tokens(const Tokenizer& tokenizer, BeginToken policy) {
  if (policy == BeginToken::kNever) return {};
  if (policy == BeginToken::kAuto || tokenizer.adds_bos()) return tokenizer.ids_before();
  if (tokenizer.bos_id()) return {*tokenizer.bos_id()};
  if (tokenizer.eos_id()) return {*tokenizer.eos_id()};
  fail("data.bos", "'always' asks for a begin token, but the tokenizer names neither a begin nor an end token.");
}

EncodedText encode_text(const Tokenizer& tokenizer, std::string_view text, BeginToken begin_token) {
  EncodedText encoded;
  encoded.ids = begin_tokens(tokenizer, begin_token);
  encoded.begin_tokens = static_cast<int64_t>(encoded.ids.size());
  encoded.bytes = static_cast<int64_t>(text.size());
  const std::vector<int64_t> ids = tokenizer.encode(text, SpecialTokens::kNone);
  encoded.ids.insert(encoded.ids.end(), ids.begin(), ids.end());
  return encoded;
}

EncodedText read_text(const std::string& path, const LazyTokenizer& tokenizer, BeginToken begin_token) {
  if (file_kind(path) != FileKind::kText) {
    fail(path, "it holds records, where plain text is read. Give their text alone, in a file of another name.");
  }
  const MappedFile file(path);
  if (!is_valid_utf8(file.text())) fail(path, "the text is not valid UTF-8. Convert it first.");
  EncodedText text = encode_text(tokenizer.get(), without_byte_order_mark(file.text()), begin_token);
  const auto n = static_cast<int64_t>(text.ids.size());
  if (n <= text.first_target()) {
    fail(path, "the text has {} tokens, {} of them begin tokens: nothing is left to predict.", n, text.begin_tokens);
  }
  return text;
}

Example read_record(const Json& record, const std::string& place, const LazyTokenizer& tokenizer,
                    const ReadSpec& spec) {
  Dataset data;
  RecordReader(tokenizer, spec, &data).read(record, place);
  if (data.examples.empty())
    fail(place, "nothing is left of the record at {} tokens. Raise the length.", spec.max_length);
  return data.examples[0];
}

Dataset read_dataset(const std::string& path, const LazyTokenizer& tokenizer, const ReadSpec& spec) {
  const MappedFile file(path);
  Dataset data;
  RecordReader reader(tokenizer, spec, &data);
  each_json_line(file.text(), path, [&](const Json& record, const std::string& place) { reader.read(record, place); });
  if (data.examples.empty() && data.dropped_records > 0) {
    fail(path,
         "no record is left: {} were shortened to {} tokens, and all lost what is read of them. Raise the length.",
         data.truncated, spec.max_length);
  }
  if (data.examples.empty()) fail(path, "there are no usable records in it.");
  return data;
}

}  // namespace circuit
