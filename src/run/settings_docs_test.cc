// docs/formats.md's table of keys is what the settings' declarations say. CIRCUIT_UPDATE_DOCS=1 writes it there.
#include <gtest/gtest.h>

#include <cstdlib>

#include "io/files.h"
#include "run/run_config.h"

namespace circuit {
namespace {

TEST(Documentation, HoldsTheTableOfKeysThatIsDeclared) {
  const std::string path = std::string(CIRCUIT_SOURCE_DIR) + "/docs/formats.md";
  std::string text = read_file(path);
  RunConfig config;
  const std::string table = markdown_config(config.settings());
  const size_t first = text.find("| key | default |");
  ASSERT_NE(first, std::string::npos);
  const size_t end = text.find("\n\n", first) + 1;
  if (std::getenv("CIRCUIT_UPDATE_DOCS") != nullptr) write_file(path, text.replace(first, end - first, table));
  EXPECT_EQ(text.substr(first, text.find("\n\n", first) + 1 - first), table)
      << "Run this test once with CIRCUIT_UPDATE_DOCS=1.";
}

TEST(Settings, AreCalledOnceAndSayWhatTheyAre) {
  RunConfig config;
  const Settings settings = config.settings();
  for (const Setting& s : settings) {
    EXPECT_EQ(settings.find(s.key), &s) << s.key << " is declared twice";
    EXPECT_FALSE(s.help.empty()) << s.key;
    EXPECT_EQ(s.help.back(), '.') << s.key;
  }
}

}  // namespace
}  // namespace circuit
