#include <filesystem>

#include "core/error.h"
#include "ranks/gloo_world.h"

namespace circuit {
namespace {

// The name of this job where its launcher says that one machine holds all of its ranks; else empty.
std::string job_on_one_machine(const std::function<const char*(const char*)>& variable) {
  const auto value = [&](const char* name) { return std::string(variable(name) == nullptr ? "" : variable(name)); };
  const std::string all = value("OMPI_COMM_WORLD_SIZE");
  if (!all.empty() && all == value("OMPI_COMM_WORLD_LOCAL_SIZE")) {
    for (const char* job : {"PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid"}) {
      if (!value(job).empty()) return value(job);
    }
  }
  if (!value("SLURM_JOB_ID").empty() && value("SLURM_STEP_NUM_NODES") == "1")
    return value("SLURM_JOB_ID") + "." + value("SLURM_STEP_ID");
  return {};
}

}  // namespace

Rendezvous rendezvous_of(const std::function<const char*(const char*)>& variable) {
  constexpr int kDefaultPort = 29500;
  constexpr int kPorts = 65535;
  constexpr int kDay = 24 * 3600;
  Rendezvous r;
  if (const char* text = variable("CIRCUIT_RANKS_TIMEOUT"))
    r.timeout = std::chrono::seconds(environment_number("CIRCUIT_RANKS_TIMEOUT", text, 1, kDay));
  if (const char* restarts = variable("TORCHELASTIC_RESTART_COUNT")) r.attempt = restarts;
  if (const char* host = variable("MASTER_ADDR")) {
    r.host = host;
    const char* port = variable("MASTER_PORT");
    r.port = port == nullptr ? kDefaultPort : environment_number("MASTER_PORT", port, 1, kPorts - 1);
    const char* agent = variable("TORCHELASTIC_USE_AGENT_STORE");
    if (agent != nullptr && std::string(agent) == "True") ++r.port;
    return r;
  }
  if (const char* file = variable("CIRCUIT_RENDEZVOUS")) {
    r.file = file;
    return r;
  }
  const std::string job = job_on_one_machine(variable);
  if (job.empty()) {
    fail(
        "MASTER_ADDR",
        "is not in the environment, so the ranks do not know where to meet. Set it and MASTER_PORT (torchrun does), or "
        "CIRCUIT_RENDEZVOUS to a file that all ranks see.");
  }
  const char* folder = variable("TMPDIR");
  const std::filesystem::path temporary = folder == nullptr ? std::filesystem::temp_directory_path() : folder;
  r.file = (temporary / ("circuit-ranks-" + job)).string();
  return r;
}

}  // namespace circuit
