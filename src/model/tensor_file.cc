#include "model/tensor_file.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <array>
#include <cstring>

#include "core/error.h"
#include "io/sha256.h"

namespace circuit {
namespace {

struct DtypeRow {
  const char* name;
  at::ScalarType type;
};

constexpr std::array<DtypeRow, 10> kDtypes{{{"F64", at::kDouble},
                                            {"F32", at::kFloat},
                                            {"F16", at::kHalf},
                                            {"BF16", at::kBFloat16},
                                            {"I64", at::kLong},
                                            {"I32", at::kInt},
                                            {"I16", at::kShort},
                                            {"I8", at::kChar},
                                            {"U8", at::kByte},
                                            {"BOOL", at::kBool}}};

}  // namespace

at::ScalarType scalar_type_of(const std::string& dtype, const std::string& place) {
  for (const DtypeRow& row : kDtypes) {
    if (dtype == row.name) return row.type;
  }
  fail(place, "dtype {} is not supported.", dtype);
}

std::string dtype_name(at::ScalarType type) {
  for (const DtypeRow& row : kDtypes) {
    if (type == row.type) return row.name;
  }
  fail("safetensors", "tensors of dtype {} cannot be written.", at::toString(type));
}

TensorFile::TensorFile(const std::string& path)
    : file_(std::make_shared<MappedFile>(path)), header_(parse_safetensors(file_->text(), path)) {
  make_index();
}

TensorFile::TensorFile(std::shared_ptr<const TensorSource> source)
    : source_(std::move(source)), header_(source_->header()) {
  make_index();
}

void TensorFile::make_index() {
  for (size_t i = 0; i < header_.tensors.size(); ++i) index_[header_.tensors[i].name] = i;
}

const TensorEntry& TensorFile::entry(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) fail(path(), "tensor '{}' is missing.", name);
  return header_.tensors[found->second];
}

at::Tensor TensorFile::tensor(const std::string& name) const {
  const TensorEntry& e = entry(name);
  if (is_made()) return source_->tensor(index_.at(name));
  const at::ScalarType type = scalar_type_of(e.dtype, path() + ", tensor '" + name + "'");
  if (e.size == 0) return at::empty(e.shape, type);
  const std::byte* data = file_->data() + e.begin;
  if (reinterpret_cast<uintptr_t>(data) % dtype_bytes(e.dtype) != 0) {
    // The format aligns nothing: a header of odd length or a tensor of bytes before this one moves it.
    at::Tensor copied = at::empty(e.shape, type);
    std::memcpy(copied.data_ptr(), data, e.size);
    return copied;
  }
  // The deleter's copy of the pointer keeps the mapping alive as long as the tensor.
  return at::from_blob(
      file_->data() + e.begin, e.shape, [keep = file_](void*) {}, at::TensorOptions(type));
}

void TensorFile::release(const std::string& name) const {
  if (!is_made()) file_->release(entry(name).begin, entry(name).size);
}

std::string TensorFile::sha256(const std::string& name) const {
  const TensorEntry& e = entry(name);
  if (is_made()) return sha256_hex(source_->tensor(index_.at(name)).data_ptr(), e.size);
  const MappedFile pristine(path());
  return sha256_hex(pristine.data() + e.begin, e.size);
}

void save_tensors(const std::string& path, const NamedTensors& tensors,
                  const std::map<std::string, std::string>& metadata) {
  std::vector<at::Tensor> kept;
  std::vector<TensorBytes> bytes;
  for (const auto& [name, tensor] : tensors) {
    kept.push_back(tensor.to(at::kCPU).contiguous());
    bytes.push_back({name, dtype_name(kept.back().scalar_type()), kept.back().sizes().vec(), kept.back().data_ptr()});
  }
  write_safetensors(path, bytes, metadata);
}

}  // namespace circuit
