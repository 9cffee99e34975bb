#include "run/run_inputs.h"

#include <filesystem>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "io/sha256.h"
#include "store/recorded_circuit.h"
#include "store/run_reader.h"

namespace circuit {
namespace {

std::string sum_of_file(const std::string& path) {
  const MappedFile file(path);
  return sha256_hex(file.data(), file.size());
}

std::map<std::string, std::string> sums_of_data(const RunConfig& c) {
  std::map<std::string, std::string> sums;
  for (const auto& [key, path] : {std::pair("data.train", c.data.train),
                                  {"data.dev", c.data.dev},
                                  {"data.test", c.data.test},
                                  {"data.untouched", c.data.untouched},
                                  {"data.replay", c.data.replay}}) {
    if (!path.empty()) sums[key] = sum_of_file(path);
  }
  if (!c.policy.extra_outside.empty()) {
    const std::vector<int64_t> edges = read_recorded_circuit(c.policy.extra_outside, std::nullopt).file.circuit.edges;
    sums["selection.extra_outside"] = sha256_hex(edges.data(), edges.size() * sizeof(int64_t));
  }
  for (const std::string& file : c.evaluation.files) sums["evaluation.files " + ability_name(file)] = sum_of_file(file);
  return sums;
}

std::map<std::string, std::string> sums_of_base(const Checkpoint& base) {
  std::map<std::string, std::string> sums;
  if (base.is_gguf()) {
    sums["file " + std::filesystem::path(base.directory()).filename().string()] = sum_of_file(base.directory());
    return sums;
  }
  for (const TensorFile& shard : base.shards()) {
    for (const TensorEntry& tensor : shard.header().tensors) sums[tensor.name] = base.sha256(tensor.name);
  }
  for (const char* file : {"config.json", "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt",
                           "added_tokens.json", "special_tokens_map.json"}) {
    const std::string path = base.directory() + "/" + file;
    if (file_exists(path)) sums[std::string("file ") + file] = sum_of_file(path);
  }
  return sums;
}

// The first name whose sum differs or that only one side has; empty: none.
std::string changed(const std::string& recorded, const std::map<std::string, std::string>& now,
                    const std::string& place) {
  const Json then = parse_json(recorded, place);
  for (const auto& [name, sum] : then.items()) {
    const auto found = now.find(name);
    if (found == now.end() || sum != found->second) return name;
  }
  for (const auto& [name, sum] : now) {
    if (!then.contains(name)) return name;
  }
  return "";
}

}  // namespace

RunConfig read_run_config(const std::string& run) {
  RunConfig config;
  read_config(run + "/config.toml", config.settings());
  const std::string begun_text = recorded_meta(run, "config");
  if (begun_text.empty()) return config;
  RunConfig begun;
  parse_config(begun_text, run + "/run.db, config", begun.settings());
  const Settings settings = config.settings();
  const Settings begun_settings = begun.settings();
  const std::vector<Setting>& now = settings.all();
  const std::vector<Setting>& then = begun_settings.all();
  for (size_t i = 0; i < now.size(); ++i) {
    if (!now[i].changes_result || plain_value(now[i]) == plain_value(then[i])) continue;
    fail(run + "/config.toml",
         "{} = {} would change the result of a run that has begun, with {}; only evaluation.keep may change. Set it "
         "back, or start a new run.",
         now[i].key, plain_value(now[i]), plain_value(then[i]));
  }
  return config;
}

std::string base_sums(const Checkpoint& base) { return Json(sums_of_base(base)).dump(); }

std::string data_sums(const RunConfig& config) { return Json(sums_of_data(config)).dump(); }

void check_base(const std::string& run, const Checkpoint& base) {
  const std::string recorded = recorded_meta(run, "base_sha256");
  if (recorded.empty()) return;
  const std::string name = changed(recorded, sums_of_base(base), run + "/run.db, base_sha256");
  if (name.empty()) return;
  const bool file = name.rfind("file ", 0) == 0;
  fail(run, "{} '{}' of {} is not the one this run started from. Put the base model back.", file ? "file" : "tensor",
       file ? name.substr(5) : name, base.directory());
}

void check_data(const std::string& run, const RunConfig& config) {
  const std::string recorded = recorded_meta(run, "data_sha256");
  if (recorded.empty()) return;
  const std::string name = changed(recorded, sums_of_data(config), run + "/run.db, data_sha256");
  if (name.empty()) return;
  fail(run, "the file of {} is not the one this run started with. Put it back, or start a new run.", name);
}

}  // namespace circuit
