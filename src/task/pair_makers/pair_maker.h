// Plain records to counterfactual pairs. A maker is one file and one line in CIRCUIT_PAIR_MAKERS.
#pragma once

#include <circuit/api.h>

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "task/pair_makers/pair_draft.h"

namespace circuit {

// A line of the file: a plain text, or a record with a "text".
struct PairSource {
  std::string text;
  Json record;        // of a plain text {"text": …}
  std::string place;  // "file:line"
  int64_t line = 0;
};

struct PairOptions {
  const LazyTokenizer& tokenizer;  // of the model the pairs are for
  // What the closed lists are extended by, by the setting's name: "nouns" → {"key:keys", …}.
  std::map<std::string, std::vector<std::string>> words;
  uint64_t seed = 0;  // of what is drawn; a line's draws do not depend on other lines
};

struct PairReport {
  int64_t lines = 0;                       // of the file, blank ones left out
  int64_t records = 0;                     // written; a line may give several
  std::map<std::string, int64_t> refused;  // candidates left out, and lines without one, by reason
  std::map<std::string, int64_t> counts;   // what else is to be known of the records
};

using EmitPair = std::function<void(const Json& record)>;

// Where a maker puts what it finds.
class PairWriter {
 public:
  PairWriter(const LazyTokenizer& tokenizer, EmitPair emit) : tokenizer_(tokenizer), emit_(std::move(emit)) {}
  // Emits the draft's record. Returns the reason where there is none: the maker refuses, or tries another draft.
  std::string write(const PairDraft& draft, const std::string& place);
  void refuse(const std::string& reason) { ++report.refused[reason]; }
  // The draft of the first of several words that gives a record; else the reason of the one that came furthest. none:
  // the reason where there is no word.
  void write_first(const std::vector<std::string>& words, const std::function<PairDraft(const std::string&)>& draft_of,
                   const std::string& none, const std::string& place);
  // One draft, taken or refused.
  void write_or_refuse(const PairDraft& draft, const std::string& place);
  PairReport report;

 private:
  const LazyTokenizer& tokenizer_;
  EmitPair emit_;
  std::set<std::string> written_;  // a pair found twice stands once
};

using MakePairs = std::function<void(const PairSource& source, PairWriter* writer)>;

struct PairMaker {
  std::string name;
  std::string input;                    // what a line must be, for --help
  std::string what;                     // one line for --help
  std::set<std::string> keys;           // of a record, beside "text"
  std::vector<std::string> word_lists;  // settings that extend its lists: "nouns"
  // Reads the options once. Throws UsageError for words of another form. What it returns throws Error at a source that
  // is malformed, and refuses one that no pair can be made of.
  MakePairs (*prepare)(const PairOptions& options);
};

const std::vector<PairMaker>& pair_makers();
CIRCUIT_API const PairMaker& find_pair_maker(const std::string& name);  // throws UsageError

// Every line of the file in order. Throws Error "file:line" for one that is no text, UsageError for words that the
// maker does not take.
CIRCUIT_API PairReport make_pairs(const std::string& path, const PairMaker& maker, const PairOptions& options,
                                  const EmitPair& emit);

// Declared, and listed in this order.
#define CIRCUIT_PAIR_MAKERS(METHOD) \
  METHOD(agreement_pairs)           \
  METHOD(name_pairs)                \
  METHOD(swapped_name_pairs)        \
  METHOD(number_pairs)              \
  METHOD(swapped_span_pairs)
#define CIRCUIT_DECLARE(name) PairMaker name();
CIRCUIT_PAIR_MAKERS(CIRCUIT_DECLARE)
#undef CIRCUIT_DECLARE

}  // namespace circuit
