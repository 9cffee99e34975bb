// CRC-32C (Castagnoli), as iSCSI (RFC 3720) and TFRecord files use it.
#pragma once

#include <cstdint>
#include <string_view>

namespace circuit {

uint32_t crc32c(std::string_view bytes);

}  // namespace circuit
