#pragma once

#include <cstddef>
#include <string>

namespace circuit {

// SHA-256 of `size` bytes as 64 lower-case hexadecimal digits (OpenSSL's libcrypto).
std::string sha256_hex(const void* data, size_t size);

}  // namespace circuit
