// libcircuit: find the circuit of a task in a language model, evaluate it, tune it, take what came of it.
//
// A call takes a request (a plain struct with defaults) and returns values. Errors are circuit::Error, one line that
// says what was found where; nothing half-written is left. Tensors are libtorch's. examples/embed is a program of sixty
// lines.
#pragma once

#include <circuit/version.h>

#include "core/error.h"                // Error, UsageError
#include "core/log.h"                  // set_quiet
#include "evaluation/discover.h"       // discover, write_discovered
#include "evaluation/evaluate_file.h"  // evaluate_file
#include "run/execute.h"               // RunConfig, execute_run
#include "run/export.h"                // export_run
#include "scoring/inspect.h"           // inspect
