#include "task/pair_makers/pair_maker.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/names.h"
#include "core/setting_name.h"
#include "io/files.h"
#include "task/record_keys.h"

namespace circuit {
namespace {

std::string stripped(std::string_view line) {
  const size_t begin = line.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return "";
  return std::string(line.substr(begin, line.find_last_not_of(" \t\r") + 1 - begin));
}

// A line each, from 1.
void each_text_line(const std::string& path, const std::function<void(const PairSource&)>& on_line) {
  const MappedFile file(path);
  std::string_view rest = without_byte_order_mark(file.text());
  for (int64_t line = 1; !rest.empty(); ++line) {
    const size_t end = rest.find('\n');
    const std::string text = stripped(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (text.empty()) continue;
    const std::string place = fmt::format("{}:{}", path, line);
    if (!is_valid_utf8(text)) fail(place, "the text is not valid UTF-8. Convert it first.");
    on_line({text, Json{{"text", text}}, place, line});
  }
}

void each_record(const std::string& path, const PairMaker& maker,
                 const std::function<void(const PairSource&)>& on_line) {
  std::set<std::string> keys = maker.keys;
  keys.insert("text");
  const MappedFile file(path);
  each_json_line(file.text(), path, [&](const Json& record, const std::string& place) {
    allow_keys(record, keys, place);
    const std::string text = require_string(record, "text", place);
    if (stripped(text).empty()) fail(place, "text: is empty.");
    on_line({text, record, place, std::stoll(place.substr(place.rfind(':') + 1))});
  });
}

void check_word_lists(const PairMaker& maker, const PairOptions& options) {
  for (const auto& [name, words] : options.words) {
    const bool known = std::count(maker.word_lists.begin(), maker.word_lists.end(), name) > 0;
    if (words.empty() || known) continue;
    throw UsageError(fmt::format("[pairs {}] {}: it has no list of these. Leave it out.", maker.name, setting(name)));
  }
}

}  // namespace

std::string PairWriter::write(const PairDraft& draft, const std::string& place) {
  const FittedPair fitted = fit_pair(draft, tokenizer_, place);
  if (!fitted.refused.empty()) return fitted.refused;
  if (!written_.insert(fitted.record.dump()).second) return "the same pair was made before";
  emit_(fitted.record);
  ++report.records;
  if (fitted.is_first_token) ++report.counts["read at the first token in which the answers differ"];
  return "";
}

void PairWriter::write_or_refuse(const PairDraft& draft, const std::string& place) {
  const std::string reason = write(draft, place);
  if (!reason.empty()) refuse(reason);
}

void PairWriter::write_first(const std::vector<std::string>& words,
                             const std::function<PairDraft(const std::string&)>& draft_of, const std::string& none,
                             const std::string& place) {
  std::string refused = words.empty() ? none : kOtherLength;
  for (const std::string& word : words) {
    const std::string reason = write(draft_of(word), place);
    if (reason.empty()) return;
    if (reason != kOtherLength) refused = reason;
  }
  refuse(refused);
}

const std::vector<PairMaker>& pair_makers() {
#define CIRCUIT_MADE(name) name(),
  static const std::vector<PairMaker> all{CIRCUIT_PAIR_MAKERS(CIRCUIT_MADE)};
#undef CIRCUIT_MADE
  return all;
}

const PairMaker& find_pair_maker(const std::string& name) { return find_named(pair_makers(), "pairs", name); }

PairReport make_pairs(const std::string& path, const PairMaker& maker, const PairOptions& options,
                      const EmitPair& emit) {
  check_word_lists(maker, options);
  const MakePairs make = maker.prepare(options);
  PairWriter writer(options.tokenizer, emit);
  const auto on_line = [&](const PairSource& source) {
    ++writer.report.lines;
    make(source, &writer);
  };
  file_kind(path) == FileKind::kText ? each_text_line(path, on_line) : each_record(path, maker, on_line);
  return writer.report;
}

}  // namespace circuit
