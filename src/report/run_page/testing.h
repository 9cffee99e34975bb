// What the tests of the run page share: made-up runs, what a page holds.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "io/json.h"
#include "store/synthetic_run.h"

namespace circuit {

class Report : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("circuit-report-test-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string make(const std::string& name, const SyntheticRun& spec = {}) const {
    write_synthetic_run((folder_ / name).string(), spec);
    return (folder_ / name).string();
  }
  static void change(const std::string& run, const std::string& sql) {
    Database(run + "/run.db", Database::Mode::kReadWrite).execute(sql);
  }
  std::filesystem::path folder_;
};

// The JSON of the page's data element.
inline Json data_of(const std::string& page) {
  const std::string open = "id=\"report-data\">";
  const size_t begin = page.find(open) + open.size();
  return Json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

}  // namespace circuit
