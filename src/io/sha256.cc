#include "io/sha256.h"

#include <fmt/core.h>
#include <openssl/evp.h>

#include "core/error.h"

namespace circuit {

std::string sha256_hex(const void* data, size_t size) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (EVP_Digest(data, size, digest, &length, EVP_sha256(), nullptr) != 1) fail("sha256", "libcrypto failed.");
  std::string hex;
  for (unsigned i = 0; i < length; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace circuit
