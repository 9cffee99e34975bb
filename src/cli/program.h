// The whole command line: one file a subcommand; the list is in program.cc.
#pragma once

namespace circuit {

// As main: runs what the arguments ask for and says what went wrong on stderr. Returns the exit code: 0, 1 where
// something failed, 2 where the command line itself is wrong.
int circuit_main(int argc, char** argv);

}  // namespace circuit
