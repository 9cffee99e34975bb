#include "text/sentencepiece_file.h"

#include <cmath>
#include <cstring>
#include <unordered_set>

#include "core/error.h"
#include "io/json.h"
#include "text/bpe.h"

namespace circuit {
namespace {

// One message of a protocol buffer, field by field (protobuf.dev, "Encoding").
class ProtoMessage {
 public:
  ProtoMessage(std::string_view bytes, std::string place) : bytes_(bytes), place_(std::move(place)) {}

  // Moves to the next field; false at the end.
  bool next() {
    if (at_ == bytes_.size()) return false;
    const uint64_t key = varint();
    field_ = key >> 3;
    wire_ = static_cast<int>(key & 7);
    if (field_ == 0 || field_ > 536'870'911) broken("a field without a number");
    switch (wire_) {
      case 0:
        number_ = varint();
        break;
      case 1:
        content_ = take(8);
        break;
      case 2:
        content_ = take(varint());
        break;
      case 5:
        content_ = take(4);
        break;
      default:
        broken("a field of an unknown wire type");
    }
    return true;
  }

  uint64_t field() const { return field_; }
  std::string_view bytes() const {
    expect(2);
    return content_;
  }
  int64_t integer() const {
    expect(0);
    return static_cast<int64_t>(number_);
  }
  bool boolean() const { return integer() != 0; }
  float number() const {
    expect(5);
    float value = 0;
    std::memcpy(&value, content_.data(), sizeof value);  // little-endian, as this machine
    return value;
  }
  ProtoMessage message(const std::string& name) const { return {bytes(), place_ + ":" + name}; }
  const std::string& place() const { return place_; }

 private:
  [[noreturn]] void broken(const char* what) const {
    fail(place_, "byte {}: {}, expected a protocol buffer of SentencePiece.", at_, what);
  }
  void expect(int wire) const {
    if (wire_ != wire) fail(place_, "field {}: found wire type {}, expected {}.", field_, wire_, wire);
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == bytes_.size()) broken("the file ends inside a number");
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    broken("a number of more than ten bytes");
  }
  std::string_view take(uint64_t size) {
    if (size > bytes_.size() - at_) broken("the file ends inside a field");
    const std::string_view taken = bytes_.substr(at_, size);
    at_ += size;
    return taken;
  }

  std::string_view bytes_;
  std::string place_;
  size_t at_ = 0;
  uint64_t field_ = 0;
  int wire_ = 0;
  uint64_t number_ = 0;
  std::string_view content_;
};

SentencePiece read_piece(ProtoMessage message) {
  SentencePiece piece;
  while (message.next()) {
    if (message.field() == 1) piece.text = message.bytes();
    if (message.field() == 2) piece.score = message.number();
    if (message.field() == 3) {
      const int64_t type = message.integer();
      if (type < 1 || type > 6) fail(message.place(), "type: found {}, expected 1 to 6.", type);
      piece.type = static_cast<PieceType>(type);
    }
  }
  if (piece.text.empty()) fail(message.place(), "the piece is empty.");
  if (!is_valid_utf8(piece.text)) fail(message.place(), "the piece is not valid UTF-8.");
  if (!std::isfinite(piece.score)) fail(message.place(), "score: found {}, expected a finite number.", piece.score);
  return piece;
}

void read_trainer(ProtoMessage message, SentencePieceFile* file) {
  int64_t type = 1;
  while (message.next()) {
    switch (message.field()) {
      case 3:
        type = message.integer();
        break;
      case 24:
        if (message.boolean()) fail(message.place(), "treat_whitespace_as_suffix: found true, which is not supported.");
        break;
      case 35:
        file->byte_fallback = message.boolean();
        break;
      case 40:
        file->unk_id = static_cast<int32_t>(message.integer());
        break;
      case 41:
        file->bos_id = static_cast<int32_t>(message.integer());
        break;
      case 42:
        file->eos_id = static_cast<int32_t>(message.integer());
        break;
      default:
        break;
    }
  }
  if (type != 1 && type != 2) fail(message.place(), "model_type: found {}, expected 1 (unigram) or 2 (BPE).", type);
  file->is_unigram = type == 1;
}

void read_normalizer(ProtoMessage message, SentencePieceFile* file) {
  while (message.next()) {
    if (message.field() == 2) file->charsmap = message.bytes();
    if (message.field() == 3) file->add_dummy_prefix = message.boolean();
    if (message.field() == 4) file->remove_extra_whitespaces = message.boolean();
    if (message.field() == 5 && !message.boolean()) {
      fail(message.place(), "escape_whitespaces: found false, which is not supported.");
    }
  }
}

void check_pieces(const SentencePieceFile& file, const std::string& place) {
  if (file.pieces.empty()) fail(place, "it has no pieces.");
  std::unordered_set<std::string_view> seen;
  int64_t unknown = -1;
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    const SentencePiece& piece = file.pieces[id];
    if (!seen.insert(piece.text).second) fail(place, "pieces[{}]: '{}' is there twice.", id, piece.text);
    if (piece.type == PieceType::kByte && !file.byte_fallback) {
      fail(place, "pieces[{}]: '{}' stands for a byte, but byte_fallback is off.", id, piece.text);
    }
    if (piece.type != PieceType::kUnknown) continue;
    if (unknown >= 0) fail(place, "pieces[{}]: a second unknown piece, expected one.", id);
    unknown = static_cast<int64_t>(id);
  }
  if (unknown < 0) fail(place, "it has no unknown piece.");
  for (int byte = 0; file.byte_fallback && byte < 256; ++byte) {
    const std::string name = fmt::format("<0x{:02X}>", byte);
    if (seen.count(name) == 0) fail(place, "byte_fallback is on, but there is no piece '{}'.", name);
  }
}

}  // namespace

SentencePieceFile read_sentencepiece_file(std::string_view bytes, const std::string& place) {
  SentencePieceFile file;
  ProtoMessage message(bytes, place);
  while (message.next()) {
    if (message.field() == 1) {
      if (file.pieces.size() > kMaxTokenId) fail(place, "it has more than {} pieces.", kMaxTokenId);
      file.pieces.push_back(read_piece(message.message(fmt::format("pieces[{}]", file.pieces.size()))));
    }
    if (message.field() == 2) read_trainer(message.message("trainer_spec"), &file);
    if (message.field() == 3) read_normalizer(message.message("normalizer_spec"), &file);
  }
  check_pieces(file, place);
  // The piece itself says which one is unknown; the trainer's number may be older.
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    if (file.pieces[id].type == PieceType::kUnknown) file.unk_id = static_cast<int64_t>(id);
  }
  return file;
}

}  // namespace circuit
