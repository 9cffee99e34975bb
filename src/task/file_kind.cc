#include <algorithm>
#include <cctype>

#include "io/files.h"
#include "task/records.h"

namespace circuit {
namespace {

bool named_as_records(const std::string& path) {
  for (const std::string ending : {".jsonl", ".ndjson", ".json"}) {
    const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
    if (path.size() > ending.size() && std::equal(ending.begin(), ending.end(), path.end() - ending.size(),
                                                  [&](char a, char b) { return same(b, a); })) {
      return true;
    }
  }
  return false;
}

}  // namespace

FileKind file_kind(const std::string& path) {
  const MappedFile file(path);
  const std::string_view text = without_byte_order_mark(file.text());
  const size_t first = text.find_first_not_of(" \t\r\n");
  const FileKind other = named_as_records(path) ? FileKind::kExamples : FileKind::kText;
  if (first == std::string_view::npos || text[first] != '{') return other;
  const std::string_view line = text.substr(first, text.find('\n', first) - first);
  const Json record = Json::parse(line.begin(), line.end(), nullptr, false);
  // A text may begin with a brace; a file of records must not be scored as text because of a typing mistake.
  if (!record.is_object()) return other;
  if (record.contains("good") || record.contains("sentence_good")) return FileKind::kMinimalPairs;
  if (record.contains("choices")) return FileKind::kMultipleChoice;
  return record.contains("scorer") ? FileKind::kAnswers : FileKind::kExamples;
}

}  // namespace circuit
