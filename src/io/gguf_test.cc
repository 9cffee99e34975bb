#include "io/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>

#include "core/error.h"
#include "io/files.h"
#include "io/gguf_testing.h"
#include "io/safetensors.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

std::string gguf_refusal(const std::string& bytes) {
  try {
    GgufHeader::parse(bytes, "m.gguf");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string gguf_refusal_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Gguf, ReadsValuesOfEveryKind) {
  GgufBuilder file;
  file.pair("u8", 0, "\xFF").pair("i8", 1, "\xFF").pair("u16", 2, gguf_bytes(uint16_t{65535}));
  file.pair("i16", 3, gguf_bytes(int16_t{-2})).natural("u32", 7).pair("i32", 5, gguf_bytes(int32_t{-7}));
  file.number("f32", 0.5F).flag("bool", true).text("string", "é").pair("u64", 10, gguf_bytes(uint64_t{1} << 40));
  file.pair("i64", 11, gguf_bytes(int64_t{-1})).pair("f64", 12, gguf_bytes(0.25)).texts("texts", {"a", "", "b"});
  file.integers("integers", {3, -1}).numbers("numbers", {0.5F});
  const std::string bytes = file.bytes();
  const GgufHeader header = GgufHeader::parse(bytes, "m.gguf");
  EXPECT_EQ(header.integer("u8"), 255);
  EXPECT_EQ(header.integer("i8"), -1);
  EXPECT_EQ(header.integer("u16"), 65535);
  EXPECT_EQ(header.integer("i16"), -2);
  EXPECT_EQ(header.integer("u32"), 7);
  EXPECT_EQ(header.integer("i32"), -7);
  EXPECT_EQ(header.number("f32"), 0.5);
  EXPECT_TRUE(header.flag("bool", false));
  EXPECT_EQ(header.text("string"), "é");
  EXPECT_EQ(header.integer("u64"), int64_t{1} << 40);
  EXPECT_EQ(header.integer("i64"), -1);
  EXPECT_EQ(header.number("f64"), 0.25);
  EXPECT_THAT(header.texts("texts"), ElementsAre("a", "", "b"));
  EXPECT_THAT(header.integers("integers"), ElementsAre(3, -1));
  EXPECT_THAT(header.numbers("numbers"), ElementsAre(0.5));
}

TEST(Gguf, WalksOverNestedArrays) {
  const std::string inner = gguf_bytes(uint32_t{4}) + gguf_bytes(uint64_t{2}) + std::string(8, '\1');
  GgufBuilder file;
  file.pair("nested", 9, gguf_bytes(uint32_t{9}) + gguf_bytes(uint64_t{2}) + inner + inner).natural("after", 5);
  EXPECT_EQ(GgufHeader::parse(file.bytes(), "m").integer("after"), 5);
}

TEST(Gguf, RefusesDeepNesting) {
  std::string value;
  for (int i = 0; i < 20; ++i) value += gguf_bytes(uint32_t{9}) + gguf_bytes(uint64_t{1});
  EXPECT_THAT(gguf_refusal(GgufBuilder().pair("deep", 9, value).bytes()), HasSubstr("deep: arrays are nested deeper"));
}

TEST(Gguf, ReadsTheSecondVersionAndRefusesOthers) {
  const GgufBuilder file = GgufBuilder().natural("a", 1);
  EXPECT_EQ(gguf_refusal(file.bytes(2)), "");
  EXPECT_THAT(gguf_refusal(file.bytes(1)), HasSubstr("version: found 1"));
  EXPECT_THAT(gguf_refusal(file.bytes(4)), HasSubstr("version: found 4"));
  EXPECT_THAT(gguf_refusal(file.bytes(3U << 24)), HasSubstr("big-endian"));
  EXPECT_THAT(gguf_refusal("{}"), HasSubstr("no GGUF file"));
}

TEST(Gguf, RefusesEveryTruncation) {
  GgufBuilder file;
  file.text("name", "x").texts("list", {"a", "bc"}).tensor("w", {32, 2}, 8, std::string(68, '\1'));
  const std::string whole = file.bytes();
  ASSERT_EQ(gguf_refusal(whole), "");
  const size_t needed = whole.size() - 28;  // what pads the last tensor may be missing
  EXPECT_EQ(gguf_refusal(whole.substr(0, needed)), "");
  for (size_t size = 0; size < needed; ++size) {
    const std::string message = gguf_refusal(whole.substr(0, size));
    EXPECT_NE(message, "") << size;
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
}

TEST(Gguf, RefusesCountsThatTheFileCannotHold) {
  const std::string huge = gguf_bytes(UINT64_MAX);
  EXPECT_THAT(gguf_refusal("GGUF" + gguf_bytes(uint32_t{3}) + huge + gguf_bytes(uint64_t{0})),
              HasSubstr("number of tensors: found 18446744073709551615"));
  EXPECT_THAT(gguf_refusal("GGUF" + gguf_bytes(uint32_t{3}) + gguf_bytes(uint64_t{0}) + huge),
              HasSubstr("number of key-values"));
  EXPECT_THAT(gguf_refusal(GgufBuilder().pair("k", 9, gguf_bytes(uint32_t{4}) + huge).bytes()), HasSubstr("k: found"));
  EXPECT_THAT(gguf_refusal(GgufBuilder().pair("k", 8, huge).bytes()), HasSubstr("k: needs"));
}

TEST(Gguf, RefusesNamesThatAppearTwice) {
  EXPECT_THAT(gguf_refusal(GgufBuilder().natural("a", 1).natural("a", 1).bytes()), HasSubstr("a: appears twice"));
  const std::string row(4, '\0');
  EXPECT_THAT(gguf_refusal(GgufBuilder().tensor("w", {1}, 0, row).tensor("w", {1}, 0, row).bytes()),
              HasSubstr("tensor 'w': appears twice"));
}

TEST(Gguf, RefusesTensorsByName) {
  const auto refused = [](const std::vector<uint64_t>& extents, uint32_t type, uint64_t offset) {
    return gguf_refusal(GgufBuilder().entry("w", extents, type, offset).bytes() + std::string(64, '\0'));
  };
  EXPECT_EQ(refused({16}, 0, 0), "");
  EXPECT_THAT(refused({16}, 99, 0), HasSubstr("tensor 'w': type 99 is not known"));
  EXPECT_THAT(refused({32}, 20, 0), HasSubstr("tensor 'w': type IQ4_NL is not read"));
  EXPECT_THAT(refused({33}, 2, 0), HasSubstr("tensor 'w': rows of 33 numbers are no whole blocks of Q4_0"));
  EXPECT_THAT(refused({16, 2}, 8, 0), HasSubstr("tensor 'w': rows of 16"));
  EXPECT_THAT(refused({UINT64_MAX}, 0, 0), HasSubstr("tensor 'w': its shape overflows"));
  EXPECT_THAT(refused({uint64_t{1} << 40, uint64_t{1} << 40}, 0, 0), HasSubstr("tensor 'w': its shape overflows"));
  EXPECT_THAT(refused({uint64_t{1} << 62}, 0, 0), HasSubstr("tensor 'w': its shape overflows"));
  EXPECT_THAT(refused({0}, 0, 0), HasSubstr("tensor 'w': found an extent of 0"));
  EXPECT_THAT(refused({}, 0, 0), HasSubstr("tensor 'w': found 0 dimensions"));
  EXPECT_THAT(refused({1, 1, 1, 1, 1}, 0, 0), HasSubstr("tensor 'w': found 5 dimensions"));
  EXPECT_THAT(refused({16}, 0, 1), HasSubstr("tensor 'w': offset 1 is no multiple"));
  EXPECT_THAT(refused({16}, 0, 64), HasSubstr("tensor 'w': 64 bytes from byte 64 of the data, which has 64"));
  EXPECT_THAT(refused({16}, 0, UINT64_MAX - 31), HasSubstr("truncated"));
  EXPECT_THAT(gguf_refusal(GgufBuilder().entry("a", {16}, 0, 0).entry("b", {8}, 0, 32).bytes() + std::string(64, '\0')),
              HasSubstr("tensor 'b': its bytes overlap those of 'a'"));
}

TEST(Gguf, RefusesAlignmentsAndNamesThatAreNone) {
  EXPECT_THAT(gguf_refusal(GgufBuilder().natural("general.alignment", 0).bytes()), HasSubstr("power of two"));
  EXPECT_THAT(gguf_refusal(GgufBuilder().natural("general.alignment", 48).bytes()), HasSubstr("power of two"));
  EXPECT_THAT(gguf_refusal(GgufBuilder().natural("a\nb", 1).bytes()), HasSubstr("key 1: found no name"));
  EXPECT_THAT(gguf_refusal(GgufBuilder().entry("\xFF", {1}, 0, 0).bytes()), HasSubstr("a tensor's name"));
  EXPECT_THAT(gguf_refusal(GgufBuilder().pair("k", 13, "").bytes()), HasSubstr("k: found kind 13"));
}

TEST(Gguf, ValuesOfAnotherKindAreRefusedByKey) {
  const std::string bytes = GgufBuilder().text("s", "x").natural("n", 1).texts("bad", {"\xFF"}).bytes();
  const GgufHeader header = GgufHeader::parse(bytes, "m.gguf");
  EXPECT_EQ(gguf_refusal_of([&] { (void)header.integer("s"); }), "[m.gguf] s: found a string, expected an integer.");
  EXPECT_EQ(gguf_refusal_of([&] { (void)header.text("n"); }), "[m.gguf] n: found a natural number, expected a string.");
  EXPECT_EQ(gguf_refusal_of([&] { (void)header.texts("n"); }),
            "[m.gguf] n: found a natural number, expected an array.");
  EXPECT_EQ(gguf_refusal_of([&] { (void)header.integer("none"); }), "[m.gguf] none: is missing.");
  EXPECT_THAT(gguf_refusal_of([&] { (void)header.texts("bad"); }), HasSubstr("bad[0]: is not valid UTF-8"));
  EXPECT_THAT(gguf_refusal_of([&] { (void)header.numbers("bad"); }), HasSubstr("expected an array of floating-point"));
}

// Every tensor of folder/blocks.gguf against folder/blocks.safetensors, which the Python package gguf made.
void expect_blocks_equal(const std::string& folder) {
  const MappedFile file(folder + "/blocks.gguf");
  const MappedFile expected_file(folder + "/blocks.safetensors");
  const GgufHeader header = GgufHeader::parse(file.text(), file.path());
  const SafetensorsHeader expected = parse_safetensors(expected_file.text(), expected_file.path());
  ASSERT_EQ(header.tensors().size(), expected.tensors.size());
  ASSERT_EQ(header.tensors().size(), 13U) << gguf_types_read();
  for (const TensorEntry& entry : expected.tensors) {
    SCOPED_TRACE(entry.name);
    const GgufTensor* tensor = header.find_tensor(entry.name);
    ASSERT_NE(tensor, nullptr);
    EXPECT_EQ(tensor->shape, entry.shape);
    EXPECT_EQ(tensor->type->name, entry.name);
    const auto* bytes = reinterpret_cast<const unsigned char*>(file.data() + tensor->begin);
    std::string values(bytes, bytes + tensor->size);
    if (tensor->type->dequantize != nullptr) {
      values.assign(entry.size, '\0');
      const size_t blocks = tensor->size / tensor->type->bytes;
      for (size_t i = 0; i < blocks; ++i) {
        std::vector<float> block(tensor->type->block);
        tensor->type->dequantize(bytes + i * tensor->type->bytes, block.data());
        std::memcpy(&values[i * block.size() * sizeof(float)], block.data(), block.size() * sizeof(float));
      }
    }
    EXPECT_EQ(values, std::string(expected_file.text().substr(entry.begin, entry.size)));
  }
}

TEST(GgufBlocks, AreThePythonPackagesBitForBit) { expect_blocks_equal(CIRCUIT_SOURCE_DIR "/tests/gguf"); }

TEST(GgufBlocks, OfOtherBytesAreThePythonPackagesToo) {
  const char* chosen = std::getenv("CIRCUIT_PYTHON");
  const std::string python = chosen == nullptr ? "python3" : chosen;
  if (std::system((python + " -c 'import gguf, numpy, safetensors' 2>/dev/null").c_str()) != 0) {
    GTEST_SKIP() << python << " has not gguf, numpy and safetensors; CIRCUIT_PYTHON names one that has";
  }
  const fs::path folder = fs::temp_directory_path() / ("circuit-gguf-test-" + std::to_string(getpid()));
  for (int seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    const std::string script = CIRCUIT_SOURCE_DIR "/tools/gguf_blocks.py ";
    ASSERT_EQ(std::system((python + " " + script + folder.string() + " " + std::to_string(seed)).c_str()), 0);
    expect_blocks_equal(folder.string());
  }
  fs::remove_all(folder);
}

TEST(GgufOf, AFileOrTheOnlyOneInAFolderWithoutConfig) {
  const fs::path folder = fs::temp_directory_path() / ("circuit-gguf-of-" + std::to_string(getpid()));
  fs::create_directories(folder);
  const std::string a = (folder / "a.gguf").string();
  EXPECT_EQ(gguf_of(folder.string()), std::nullopt);
  write_file(a, "GGUF");
  EXPECT_EQ(gguf_of(folder.string()), a);
  EXPECT_EQ(gguf_of(a), a);
  write_file((folder / "b.gguf").string(), "GGUF");
  EXPECT_THAT(gguf_refusal_of([&] { (void)gguf_of(folder.string()); }), HasSubstr("2 GGUF files are in this folder"));
  write_file((folder / "config.json").string(), "{}");
  EXPECT_EQ(gguf_of(folder.string()), std::nullopt);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace circuit
