// What became of published files' rows, for machines and for people.
#pragma once

#include <string>

#include "task/importers/importer.h"

namespace circuit {

// Throws Error at `path` with the most frequent reason where no row became a record.
void check_imported(const ImportReport& report, const std::string& path);

Json import_report_json(const ImportReport& report, const Importer& importer);
std::string import_report_text(const ImportReport& report, const Importer& importer);

// Every format with the files that it reads and the records that it makes.
std::string import_formats_text();

}  // namespace circuit
