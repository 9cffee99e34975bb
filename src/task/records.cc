#include "task/records.h"

#include <algorithm>

#include "core/error.h"
#include "io/files.h"
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
    int64_t first = 0;
    while (side.tokens[first].end <= prompt.size()) ++first;
    example.first_target = first + side.offset;
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
      all.push_back(std::move(readout));
    }
    return all;
  }

  int64_t position(const Json& item, const Encoded& s) {
    const auto length = static_cast<int64_t>(s.ids.size());
    int64_t at = length;
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

  std::vector<int64_t> answers(const Json& item, const std::string& key, const Encoded& s, int64_t at,
                               std::string* label) {
    if (item.contains(key + "_id")) {
      if (item.contains(key)) fail(place_, "both '{}' and '{}_id': give one.", key, key);
      return id_list(item[key + "_id"], key + "_id", place_);
    }
    if (!item.contains(key)) return {};
    const Json& value = item[key];
    std::vector<int64_t> ids;
    const auto add = [&](const Json& word) {
      if (!word.is_string()) fail(place_, "{}: found a {}, expected strings.", key, word.type_name());
      if (label->empty()) *label = word.get<std::string>();
      ids.push_back(answer_id(word.get<std::string>(), key, s, at));
    };
    if (value.is_array()) {
      for (const Json& word : value) add(word);
    } else {
      add(value);
    }
    return ids;
  }

  int64_t answer_id(const std::string& word, const std::string& key, const Encoded& s, int64_t at) {
    const Tokenizer& tokenizer = tokenizer_.get();
    const std::vector<int64_t> alone = tokenizer.encode(word, SpecialTokens::kNone);
    if (alone.size() == 1) return alone[0];
    // Tokenizers that put a space before every text split " word": what counts is the token it is in place.
    if (s.from_text) {
      const auto before = static_cast<size_t>(at - s.offset);
      const size_t cut = before < s.tokens.size() ? s.tokens[before].begin : s.text.size();
      const std::vector<int64_t> context = tokenizer.encode(s.text.substr(0, cut), SpecialTokens::kNone);
      const std::vector<int64_t> both = tokenizer.encode(s.text.substr(0, cut) + word, SpecialTokens::kNone);
      if (both.size() == context.size() + 1 && std::equal(context.begin(), context.end(), both.begin())) {
        return both.back();
      }
    }
    std::string pieces;
    for (const int64_t id : alone) pieces += (pieces.empty() ? "'" : ", '") + tokenizer.token_text(id) + "'";
    fail(place_, "{}: '{}' is not one token but {}. Choose a word that is one token.", key, word, pieces);
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
    if (static_cast<int64_t>(e->ids.size()) <= spec_.max_length) return true;
    ++data_->truncated;
    const auto cut = [&](std::vector<int64_t>* ids) {
      if (static_cast<int64_t>(ids->size()) > spec_.max_length) ids->resize(spec_.max_length);
    };
    const bool had_readouts = !e->readouts.empty();
    cut(&e->ids);
    cut(&e->counterfactual_ids);
    for (auto* list : {&e->readouts, &e->counterfactual_readouts}) {
      const auto beyond = [&](const Readout& r) { return r.position > spec_.max_length; };
      const auto kept = std::remove_if(list->begin(), list->end(), beyond);
      if (list == &e->readouts) data_->dropped_readouts += list->end() - kept;
      list->erase(kept, list->end());
    }
    e->spans.erase(
        std::remove_if(e->spans.begin(), e->spans.end(), [&](const Span& s) { return s.end >= spec_.max_length; }),
        e->spans.end());
    const bool keep = had_readouts ? !e->readouts.empty() : e->first_target < spec_.max_length;
    if (!keep) ++data_->dropped_records;
    return keep;
  }

  const LazyTokenizer& tokenizer_;
  const ReadSpec& spec_;
  Dataset* data_;
  std::string place_;
};

}  // namespace

BeginToken parse_begin_token(const std::string& name) {
  if (name == "auto") return BeginToken::kAuto;
  if (name == "always") return BeginToken::kAlways;
  if (name == "never") return BeginToken::kNever;
  throw UsageError(fmt::format("[bos] '{}' is not known. Known: auto, always, never.", name));
}

const Tokenizer& LazyTokenizer::get() const {
  if (!tokenizer_) tokenizer_.emplace(Tokenizer::load(directory_));
  return *tokenizer_;
}

const ChatTemplate& LazyTokenizer::chat() const {
  if (!chat_) chat_.emplace(load_chat_template(directory_));
  return *chat_;
}

std::vector<int64_t> begin_tokens(const Tokenizer& tokenizer, BeginToken policy) {
  if (policy == BeginToken::kNever) return {};
  if (policy == BeginToken::kAuto || tokenizer.adds_bos()) return tokenizer.ids_before();
  if (!tokenizer.bos_id()) fail("data.bos", "'always' asks for a begin token, but the tokenizer names none.");
  return {*tokenizer.bos_id()};
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
  const MappedFile file(path);
  if (!is_valid_utf8(file.text())) fail(path, "the text is not valid UTF-8. Convert it first.");
  EncodedText text = encode_text(tokenizer.get(), file.text(), begin_token);
  const auto n = static_cast<int64_t>(text.ids.size());
  if (n <= text.first_target()) {
    fail(path, "the text has {} tokens, {} of them begin tokens: nothing is left to predict.", n, text.begin_tokens);
  }
  return text;
}

Dataset read_dataset(const std::string& path, const LazyTokenizer& tokenizer, const ReadSpec& spec) {
  const MappedFile file(path);
  Dataset data;
  RecordReader reader(tokenizer, spec, &data);
  each_json_line(file.text(), path, [&](const Json& record, const std::string& place) { reader.read(record, place); });
  if (data.examples.empty()) fail(path, "there are no usable records in it.");
  return data;
}

std::vector<MinimalPair> read_minimal_pairs(const std::string& path, const LazyTokenizer& tokenizer,
                                            BeginToken begin_token) {
  const MappedFile file(path);
  std::vector<MinimalPair> pairs;
  each_json_line(file.text(), path, [&](const Json& record, const std::string& place) {
    const bool blimp = record.contains("sentence_good");
    if (!blimp) allow_keys(record, {"good", "bad"}, place);
    MinimalPair pair;
    const EncodedText good =
        encode_text(tokenizer.get(), require_string(record, blimp ? "sentence_good" : "good", place), begin_token);
    pair.good = good.ids;
    pair.first_target = good.first_target();
    pair.bad =
        encode_text(tokenizer.get(), require_string(record, blimp ? "sentence_bad" : "bad", place), begin_token).ids;
    if (blimp) pair.group = optional_string(record, "UID", "", place);
    pair.place = place;
    if (pair.good.empty() || pair.bad.empty()) fail(place, "a sentence of the pair is empty.");
    pairs.push_back(std::move(pair));
  });
  if (pairs.empty()) fail(path, "there are no records in it.");
  return pairs;
}

FileKind file_kind(const std::string& path) {
  const MappedFile file(path);
  const std::string_view text = file.text();
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || text[first] != '{') return FileKind::kText;
  const std::string_view line = text.substr(first, text.find('\n', first) - first);
  const Json record = Json::parse(line.begin(), line.end(), nullptr, false);
  // A text may begin with a brace; a .jsonl file must not be scored as text because of a typing mistake.
  const bool named_jsonl = path.size() > 6 && path.substr(path.size() - 6) == ".jsonl";
  if (!record.is_object()) return named_jsonl ? FileKind::kExamples : FileKind::kText;
  if (record.contains("good") || record.contains("sentence_good")) return FileKind::kMinimalPairs;
  if (record.contains("choices")) return FileKind::kMultipleChoice;
  return record.contains("scorer") ? FileKind::kAnswers : FileKind::kExamples;
}

}  // namespace circuit
