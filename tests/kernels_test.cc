// The choice of kernels before main (src/launch/kernels.h): made once, said by --version, and the user's where there is
// one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "circuit/version.h"
#include "tests/program.h"

namespace circuit {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kVariables[] = {"OPENBLAS_CORETYPE", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "CIRCUIT_KERNELS"};

// Each test with none of the variables set; the environment of the other tests is put back.
class Kernels : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : kVariables) {
      if (const char* value = std::getenv(name)) before_[name] = value;
      unsetenv(name);
    }
  }
  void TearDown() override {
    for (const char* name : kVariables) {
      const auto found = before_.find(name);
      found == before_.end() ? unsetenv(name) : setenv(name, found->second.c_str(), 1);
    }
  }
  std::map<std::string, std::string> before_;
};

TEST_F(Kernels, AreNamedByVersion) {
  const ProgramResult result = run_program({"--version"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, StartsWith("circuit " CIRCUIT_VERSION "\nlibtorch: "));
  EXPECT_THAT(result.out, HasSubstr("\nBLAS: "));
  EXPECT_THAT(result.out, HasSubstr("\nOpenMP threads wait: passive (chosen by circuit)\n"));
  // The core of processors without AVX is never what the features of one with AVX2 choose.
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    EXPECT_THAT(result.out, Not(HasSubstr("core Prescott")));
  }
}

TEST_F(Kernels, AreTheUsersWhereTheEnvironmentNamesThem) {
  setenv("OPENBLAS_CORETYPE", "Prescott", 1);
  const std::string core = run_program({"--version"}).out;
  if (core.find("OpenBLAS") != std::string::npos) {
    EXPECT_THAT(core, HasSubstr("core Prescott (from OPENBLAS_CORETYPE)"));
  }
  EXPECT_THAT(core, HasSubstr("passive (chosen by circuit)"));

  setenv("OMP_WAIT_POLICY", "active", 1);
  EXPECT_THAT(run_program({"--version"}).out, HasSubstr("wait: active (from OMP_WAIT_POLICY)"));
  unsetenv("OMP_WAIT_POLICY");
  setenv("GOMP_SPINCOUNT", "7", 1);
  EXPECT_THAT(run_program({"--version"}).out, HasSubstr("wait: GOMP_SPINCOUNT 7"));
}

TEST_F(Kernels, AreChosenOnceEvenWhereTheChoiceWasTakenAway) {
  setenv("CIRCUIT_KERNELS", "core,wait", 1);
  const ProgramResult result = run_program({"--version"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("wait: spinning"));
}

TEST_F(Kernels, StartingAgainKeepsArgumentsAndExitCode) {
  const ProgramResult result = run_program({"no such command", ""});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("'no such command' is not a command"));
}

}  // namespace
}  // namespace circuit
