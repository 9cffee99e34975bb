// What every refused input has in common, and the words each message must hold.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/program.h"

namespace circuit {

constexpr int kFailure = 1;
constexpr int kWrongUse = 2;

// Runs the program on what is in `scratch`: exit code, one line on stderr that holds every one of `words`,
// nothing on stdout, and no file in the folder made, changed or removed.
inline void expect_refused(const ScratchFolder& scratch, const Arguments& arguments,
                           const std::vector<std::string>& words, int code = kFailure) {
  SCOPED_TRACE(testing::PrintToString(arguments));
  const auto before = snapshot(scratch.path());
  const ProgramResult result = run_quiet(arguments);
  EXPECT_EQ(result.exit_code, code) << "signal " << result.signal;
  EXPECT_EQ(result.error_lines.size(), 1U) << result.err;
  for (const std::string& word : words) EXPECT_THAT(result.err, testing::HasSubstr(word));
  EXPECT_EQ(result.out, "");
  EXPECT_TRUE(snapshot(scratch.path()) == before) << "something was left behind";
}

}  // namespace circuit
