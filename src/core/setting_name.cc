#include "core/setting_name.h"

namespace circuit {
namespace {

std::string (*writer)(const std::string&) = nullptr;

}  // namespace

std::string setting(const std::string& name) { return writer == nullptr ? name : writer(name); }

void write_settings_as(std::string (*write)(const std::string&)) { writer = write; }

}  // namespace circuit
