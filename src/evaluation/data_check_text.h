// A checked data set for machines and for people.
#pragma once

#include <string>

#include "evaluation/data_check.h"
#include "io/json.h"

namespace circuit {

Json data_check_json(const DataCheck& check);
std::string data_check_text(const DataCheck& check);

}  // namespace circuit
