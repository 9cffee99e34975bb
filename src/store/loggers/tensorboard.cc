// TensorBoard's event files: TFRecords (length, masked CRC-32C, bytes, masked CRC-32C) of the protocol buffer
// Event, of which these fields are written (tensorflow/core/util/event.proto, framework/summary.proto):
//   Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
//   Summary { repeated Value value = 1; }   Value { string tag = 1; float simple_value = 2; }
#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "io/crc32c.h"
#include "store/logger.h"

namespace circuit {
namespace {

enum WireType { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// Little endian, as every file here.
template <class T>
std::string bytes_of(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

std::string key(int field, WireType type) { return varint(static_cast<uint64_t>(field) << 3 | type); }
std::string text(int field, const std::string& bytes) { return key(field, kBytes) + varint(bytes.size()) + bytes; }

std::string record(const std::string& event) {
  const auto masked = [](const std::string& bytes) {
    const uint32_t crc = crc32c(bytes);
    return bytes_of<uint32_t>((crc >> 15 | crc << 17) + 0xA282EAD8U);
  };
  const std::string length = bytes_of<uint64_t>(event.size());
  return length + masked(length) + event + masked(event);
}

std::string wall_time(double time) { return key(1, kFixed64) + bytes_of(time); }

std::string file(int64_t begun) { return fmt::format("tensorboard/events.out.tfevents.{}.circuit", begun); }

std::string header(int64_t begun) { return record(wall_time(static_cast<double>(begun)) + text(3, "brain.Event:2")); }

// Evaluations are called as they are (dev/metric), columns after their table (step/loss). What is NULL has no
// point.
std::string encode(const LogRow& row) {
  const std::string prefix = row.kind == "evaluation" ? "" : row.kind + "/";
  std::string summary;
  for (const auto& [name, value] : row.values) {
    if (!value) continue;
    summary += text(1, text(1, prefix + name) + key(2, kFixed32) + bytes_of(static_cast<float>(*value)));
  }
  if (summary.empty()) return "";
  return record(wall_time(row.time) + key(2, kVarint) + varint(static_cast<uint64_t>(row.step)) + text(5, summary));
}

}  // namespace

Logger tensorboard_logger() { return {"tensorboard", file, header, encode}; }

}  // namespace circuit
