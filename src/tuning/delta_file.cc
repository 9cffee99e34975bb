#include "tuning/delta_file.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <tuple>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "io/sha256.h"

namespace circuit {
namespace {

constexpr const char* kFile = "/delta.safetensors";
constexpr const char* kFormat = "circuit-delta";
constexpr const char* kVersion = "1";
constexpr const char* kBase = ".base";
constexpr const char* kMaster = ".master";
// Keys of the metadata that are read back as more than text.
constexpr const char* kBaseHashes = "base_sha256";
constexpr const char* kResultHashes = "result_sha256";

using Hashes = std::map<std::string, std::string>;

Hashes hashes_of(const std::map<std::string, std::string>& metadata, const std::string& key, const std::string& path) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) fail(path, "{} is missing from its metadata.", key);
  const std::string place = path + ", " + key;
  const Json json = parse_json(found->second, place);
  if (!json.is_object()) fail(place, "found a {}, expected an object of sha256 by tensor.", json.type_name());
  Hashes hashes;
  for (const auto& [tensor, hash] : json.items()) {
    if (!hash.is_string()) fail(place, "{}: found a {}, expected a sha256.", tensor, hash.type_name());
    hashes[tensor] = hash.get<std::string>();
  }
  return hashes;
}

bool before(const DeltaSlice& a, const DeltaSlice& b) {
  return std::tie(a.region.tensor, a.region.dim, a.region.start) <
         std::tie(b.region.tensor, b.region.dim, b.region.start);
}

// Along one dimension of a tensor, one after the other: across two they would cross.
void check_disjoint(const std::vector<DeltaSlice>& slices, const std::string& path) {
  for (size_t i = 1; i < slices.size(); ++i) {
    const Region& a = slices[i - 1].region;
    const Region& b = slices[i].region;
    if (a.tensor != b.tensor || (a.dim == b.dim && a.end <= b.start)) continue;
    fail(path, "'{}' and '{}' overlap.", a.name(), b.name());
  }
}

// The same tensors in both lists of hashes and in the slices.
void check_hashes(const Delta& delta, const std::string& path) {
  std::map<std::string, int> seen;
  for (const DeltaSlice& s : delta.slices) seen[s.region.tensor] = 1;
  for (const auto& [key, hashes] :
       {std::pair(kBaseHashes, &delta.base_sha256), {kResultHashes, &delta.result_sha256}}) {
    for (const auto& [tensor, count] : seen) {
      if (hashes->count(tensor) == 0) fail(path, "{}: '{}' is missing, which has slices.", key, tensor);
    }
    for (const auto& [tensor, hash] : *hashes) {
      if (seen.count(tensor) == 0) fail(path, "{}: '{}' has no slices in it.", key, tensor);
    }
  }
}

DeltaSlice read_slice(const TensorFile& file, const std::string& name) {
  DeltaSlice s;
  s.region = parse_region(name, file.path());
  s.value = file.tensor(name);
  s.base = file.tensor(name + kBase);
  if (s.region.dim >= s.value.dim() || s.value.size(s.region.dim) != s.region.end - s.region.start) {
    fail(file.path(), "'{}' does not have the shape that its name says.", name);
  }
  if (!s.value.is_floating_point()) fail(file.path(), "'{}': expected a floating-point tensor.", name);
  if (s.base.sizes() != s.value.sizes() || s.base.scalar_type() != s.value.scalar_type()) {
    fail(file.path(), "'{}{}' has another shape or dtype than '{}'.", name, kBase, name);
  }
  if (!file.contains(name + kMaster)) return s;
  s.master = file.tensor(name + kMaster);
  if (s.master.sizes() != s.value.sizes() || s.master.scalar_type() != at::kFloat) {
    fail(file.path(), "'{}{}' is not float32 of the shape of '{}'.", name, kMaster, name);
  }
  if (!same_bytes(s.master.to(s.value.scalar_type()), s.value)) {
    fail(file.path(), "'{}' is not what '{}{}' rounds to: the file is damaged.", name, name, kMaster);
  }
  return s;
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// Hash of every tensor once its slices are in.
Hashes result_hashes(const Checkpoint& base, const std::vector<DeltaSlice>& slices) {
  Hashes hashes;
  at::Tensor whole;
  for (size_t i = 0; i < slices.size(); ++i) {
    const std::string& tensor = slices[i].region.tensor;
    if (!whole.defined()) whole = base.tensor(tensor).clone();
    slices[i].region.of(whole).copy_(slices[i].value);
    if (i + 1 < slices.size() && slices[i + 1].region.tensor == tensor) continue;
    hashes[tensor] = sha256_of(whole);
    whole = at::Tensor();
  }
  return hashes;
}

}  // namespace

std::string Region::name() const { return fmt::format("{}[{}:{}:{}]", tensor, dim, start, end); }

Region parse_region(const std::string& name, const std::string& place) {
  Region region;
  const size_t open = name.rfind('[');
  const char* at = name.data() + std::min(open, name.size());
  const char* end = name.data() + name.size();
  // "[dim:start:end]", each number after the sign before it.
  const auto number = [&](char sign, int64_t* value) {
    if (at == end || *at != sign) return false;
    const auto parsed = std::from_chars(at + 1, end, *value);
    at = parsed.ptr;
    return parsed.ec == std::errc() && *value >= 0;
  };
  const bool read = number('[', &region.dim) && number(':', &region.start) && number(':', &region.end);
  if (!read || at + 1 != end || *at != ']' || open == 0 || region.start >= region.end) {
    fail(place, "'{}' is not the name of a slice, TENSOR[dim:start:end].", name);
  }
  region.tensor = name.substr(0, open);
  return region;
}

int64_t Delta::parameters() const {
  int64_t count = 0;
  for (const DeltaSlice& s : slices) count += s.value.numel();
  return count;
}

bool same_bytes(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.contiguous();
  const at::Tensor y = b.contiguous();
  return x.nbytes() == 0 || std::memcmp(x.data_ptr(), y.data_ptr(), x.nbytes()) == 0;
}

std::string sha256_of(const at::Tensor& tensor) {
  const at::Tensor bytes = tensor.contiguous();
  return sha256_hex(bytes.data_ptr(), bytes.nbytes());
}

Delta make_delta(const Checkpoint& base, const std::string& values, const std::map<std::string, std::string>& meta) {
  const TensorFile file(values);
  Delta delta;
  delta.name = values;
  delta.meta = meta;
  for (const auto& [tensor, hash] : hashes_of(file.header().metadata, kBaseHashes, values)) {
    if (base.contains(tensor) && base.sha256(tensor) == hash) continue;
    fail(values, "tensor '{}' of {} is not the one this run started from. Put the base model back.", tensor,
         base.directory());
  }
  for (const TensorEntry& entry : file.header().tensors) {
    DeltaSlice s;
    s.region = parse_region(entry.name, values);
    const at::Tensor trained = file.tensor(entry.name).to(at::kFloat);
    const at::Tensor whole = base.tensor(s.region.tensor);
    if (s.region.dim >= whole.dim() || s.region.end > whole.size(s.region.dim) ||
        s.region.of(whole).sizes() != trained.sizes()) {
      fail(values, "'{}' is not a slice of {}.", entry.name, base.directory());
    }
    s.base = s.region.of(whole);
    s.value = trained.to(whole.scalar_type());
    if (!same_bytes(s.value.to(at::kFloat), trained)) s.master = trained;
    const bool kept = same_bytes(s.value, s.base);
    // A slice that was selected and has not moved by a bit would be dead weight.
    if (kept && (!s.master.defined() || same_bytes(s.base.to(at::kFloat), trained))) continue;
    delta.slices.push_back(std::move(s));
  }
  std::sort(delta.slices.begin(), delta.slices.end(), before);
  check_disjoint(delta.slices, values);
  for (const DeltaSlice& s : delta.slices) delta.base_sha256[s.region.tensor] = base.sha256(s.region.tensor);
  delta.result_sha256 = result_hashes(base, delta.slices);
  return delta;
}

void write_delta(const Delta& delta, const std::string& folder) {
  NamedTensors tensors;
  for (const DeltaSlice& s : delta.slices) {
    tensors.emplace_back(s.region.name(), s.value);
    tensors.emplace_back(s.region.name() + kBase, s.base);
    if (s.master.defined()) tensors.emplace_back(s.region.name() + kMaster, s.master);
  }
  // Large elements first, as the reference writer does: all stand aligned.
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const auto& a, const auto& b) { return a.second.element_size() > b.second.element_size(); });
  std::map<std::string, std::string> metadata = delta.meta;
  metadata["format"] = kFormat;
  metadata["format_version"] = kVersion;
  metadata[kBaseHashes] = Json(delta.base_sha256).dump();
  metadata[kResultHashes] = Json(delta.result_sha256).dump();
  write_directory(folder, IfExists::kRefuse,
                  [&](const std::string& inside) { save_tensors(inside + kFile, tensors, metadata); });
}

Delta read_delta(const std::string& path) {
  const bool folder = std::filesystem::is_directory(path);
  if (folder && !file_exists(path + kFile)) {
    fail(path, "neither a delta (delta.safetensors) nor an adapter (adapter_config.json) is in it.");
  }
  const TensorFile file(folder ? path + kFile : path);
  Delta delta;
  delta.name = path;
  delta.meta = file.header().metadata;
  if (delta.meta["format"] != kFormat) fail(file.path(), "this is no delta. Export one from a run.");
  if (delta.meta["format_version"] != kVersion) {
    fail(file.path(), "format_version: found '{}', expected '{}': written by another version of this program.",
         delta.meta["format_version"], kVersion);
  }
  delta.base_sha256 = hashes_of(delta.meta, kBaseHashes, file.path());
  delta.result_sha256 = hashes_of(delta.meta, kResultHashes, file.path());
  for (const char* key : {"format", "format_version", kBaseHashes, kResultHashes}) delta.meta.erase(key);
  for (const TensorEntry& entry : file.header().tensors) {
    const char* suffix = ends_with(entry.name, kBase) ? kBase : ends_with(entry.name, kMaster) ? kMaster : nullptr;
    if (suffix == nullptr) {
      delta.slices.push_back(read_slice(file, entry.name));
      continue;
    }
    const std::string slice = entry.name.substr(0, entry.name.size() - std::strlen(suffix));
    if (!file.contains(slice)) fail(file.path(), "'{}' is there without '{}'.", entry.name, slice);
  }
  std::sort(delta.slices.begin(), delta.slices.end(), before);
  check_disjoint(delta.slices, file.path());
  check_hashes(delta, file.path());
  return delta;
}

}  // namespace circuit
