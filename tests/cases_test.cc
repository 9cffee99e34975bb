// Inputs that were answered wrongly once, as they were handed over (../shared/cases): each folder's `cmd`, and what its
// `expect.md` says is right. What is of the same kind has tests of its own beside the code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <regex>

#include "io/files.h"
#include "tests/program.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

// What stdout and stderr of `cmd` must hold, as regular expressions in this order, and may not hold.
struct Case {
  std::string name;
  Words in_order;
  Words never;
  std::string steps{};  // in the place of the cmd's, where a fast machine is done before it is killed
};
void PrintTo(const Case& each, std::ostream* out) { *out << each.name; }

const Case kCases[] = {
    {"01-jsonl-read-as-text",
     {"== pairs\n", "minimal pairs", "== pairs_bom\n", "minimal pairs", "== pairs_array\n", "pairs_array.jsonl:1\\]",
      "pairs_comment.jsonl:1\\]", "tune pc\n", ": 10 records", "tune pc_bom\n", ": 10 records", "tune pc_array\n"},
     {"\"text\"", "3 records"}},
    {"02-pissa-adapter", {"init_lora_weights", "rc=1"}, {"rc=0"}},
    {"03-answer-without-space",
     {"words .*0\\.8593", "ids .*0\\.8593", "spaced .*-1\\.327", "301,283,467,410,489,434"},
     {}},
    {"04-template-begin-token", {"\\[1,403,407,261,378\\]", "0\\.06852", "\\[1,2,403,407,261,378\\]", "3\\.0524"}, {}},
    {"05-add-bos-token-of-config",
     {"false: \\[403,407,261,378\\].*\"tokens\": 3", "true: \\[1,403,407,261,378,2\\]"},
     {}},
    {"06-blimp-first-token", {"auto .*0\\.45", "always .*0\\.45"}, {"0\\.76", "-0\\.0[,}]"}},
    {"07-rope-scaling-beside-rope-parameters",
     {"plain .*3\\.97391", "both .*3\\.77770?[19]", "null .*3\\.77770?[19]", "yarn .*3\\.81836"},
     {"no_factor .*nats", "no_keys .*nats", "only_factor .*nats"}},
    {"08-base-changed-elsewhere", {"Put the base model back", "rc=1", "Put the base model back", "rc=1"}, {"rc=0"}},
    {"09-model-of-nan",
     {"not finite", "pairs ", "not finite", "mc ", "not finite", "gen ", "not finite", "rec ", "not finite"},
     {"accuracy", "!!!!"}},
    {"10-faithfulness-of-rounding",
     {"\"faithfulness\": null|rc=0", "every score is zero"},
     {"\"faithfulness\": -?[0-9]"}},
    {"11-answers-twice", {"once .*-0\\.00540", "twice .*-0\\.00540"}, {"0\\.0084", "both .*[0-9]\\.[0-9]"}},
    {"12-counterfactual-readouts-cut", {"with.jsonl\\] no record is left: 1 were shortened"}, {"same scores: True"}},
    {"13-completion-dropped-by-tokenizer", {"r\\.jsonl:1\\] completion: no token", "rc=1"}, {"rc=0"}},
    {"14-stdout-full", {"rc=1 score", "rc=1 inspect", "rc=1 --version", "rc=1 import", "rc=1 tokenize"}, {"rc=0"}},
    {"15-rstrip-then-added-white-space", {"\\[64,4096,4097,65\\]\n\\[64,4096,4098,65\\]"}, {}},
    {"16-single-word-and-joiners",
     {"\\[149,227,151,234,158,222,234,", "\\[66,274,158,222,235,87\\]", "\\[66,274,158,241,238\\]",
      "\\[4097,220,87\\]"},
     {}},
    {"17-added-tokens-same-normal-form", {"\\[64,220,4096\\]\n\\[64,220,4096\\]"}, {}},
    {"18-add-prefix-space-of-config", {"(\\[[0-9,]+\\])\n\\1\n\\1\n"}, {}},
    {"19-generate-padded-row", {"rc=0", "rc=0"}, {"no token has it", "rc=1"}},
    {"20-generation-config-eos", {"He was a man,\\s*$"}, {}},
    {"21-edited-config-of-a-run", {"would change the result", "would change the result", "3"}, {"\n5 +5|4 +5"}},
    {"22-circuit-of-another-width", {"width 768"}, {"full "}},
    {"23-byte-beside-position",
     {"both .*both 'byte' and 'position'", "byte .*logit_diff", "position .*logit_diff"},
     {}},
    {"24-output-over-input", {"would overwrite", "rc=1", "would overwrite", "rc=1"}, {"rc=0"}},
    {"25-epsilon-zero", {"optimizer.epsilon: found 0, expected more than 0"}, {"NOT NULL"}},
    {"26-run-named-with-colon", {"A: run:3, ", "B: run, ", "A: \\./run:3/, "}, {}},
    {"27-squad-1", {"rc=0"}, {"rc=1"}},
    {"28-nan-options", {"found nan", "rc=2", "found nan", "rc=", "\n[1-9][0-9]\\s*$|\n1[0-4][0-9]\\s*$"}, {"rc=0"}},
    {"29-circuit-json-with-infinity", {"input->a0\\.h0<q>", "-Infinity", "rc=1"}, {"not valid JSON"}},
    {"30-two-resumes", {"another process"}, {"UNIQUE constraint"}, "300"},
};

class HandedOver : public testing::TestWithParam<Case> {};

std::string run_cmd(const std::string& folder, const std::string& data) {
  const std::string line = "cd '" + folder + "' && CIRCUIT='" CIRCUIT_PROGRAM "' DATA='" + data + "' sh ./cmd 2>&1";
  FILE* pipe = popen(line.c_str(), "r");
  std::string said;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) said += static_cast<char>(c);
  pclose(pipe);
  return said;
}

// A link that a copy of the folder has turned into a file with its target's name.
void restore_links(const std::string& folder) {
  std::vector<fs::path> files;
  for (const auto& item : fs::recursive_directory_iterator(folder)) files.push_back(item.path());
  for (const fs::path& file : files) {
    if (!fs::is_regular_file(file) || fs::file_size(file) > 100) continue;
    const fs::path target = file.parent_path() / read_file(file.string());
    if (fs::is_regular_file(target)) fs::copy_file(target, file, fs::copy_options::overwrite_existing);
  }
}

TEST_P(HandedOver, GivesWhatItsPageSays) {
  const fs::path shared = fs::path(CIRCUIT_SOURCE_DIR) / ".." / "shared";
  const fs::path from = shared / "cases" / GetParam().name;
  if (!fs::exists(from)) GTEST_SKIP() << from << " is absent";
  const ScratchFolder scratch;
  const std::string folder = scratch / "case";
  fs::copy(from, folder, fs::copy_options::recursive);
  for (const auto& item : fs::recursive_directory_iterator(folder)) {
    fs::permissions(item.path(), fs::perms::owner_write, fs::perm_options::add);
  }
  fs::permissions(folder, fs::perms::owner_write, fs::perm_options::add);
  restore_links(folder);
  if (!GetParam().steps.empty()) {
    const std::regex steps("tuning\\.steps=[0-9]+");
    write_file(folder + "/cmd",
               std::regex_replace(read_file(folder + "/cmd"), steps, "tuning.steps=" + GetParam().steps));
  }
  const bool wants_numpy = fs::exists(folder + "/half.py") || fs::exists(folder + "/nan.py");
  if (wants_numpy && std::system("/usr/bin/python3 -c 'import numpy' 2>/dev/null") != 0) {
    GTEST_SKIP() << "its script needs python3-numpy";
  }
  const std::string said = run_cmd(folder, fs::canonical(shared / "data").string());
  auto from_here = said.cbegin();
  for (const std::string& word : GetParam().in_order) {
    std::smatch found;
    ASSERT_TRUE(std::regex_search(from_here, said.cend(), found, std::regex(word))) << word << " is not in\n" << said;
    from_here = found[0].second;
  }
  for (const std::string& word : GetParam().never)
    EXPECT_FALSE(std::regex_search(said, std::regex(word))) << word << " in\n" << said;
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
  std::string name = info.param.name;
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return "Case_" + name;
}
INSTANTIATE_TEST_SUITE_P(Cases, HandedOver, testing::ValuesIn(kCases), name_of);

}  // namespace
}  // namespace circuit
