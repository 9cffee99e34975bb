// What the C library keeps of freed memory.
#pragma once

namespace circuit {

// Gives the pages of freed blocks back to the system, wherever they lie. The program has the library keep them
// (cli/program.cc), since a step takes them again; before something large that stays is made, they would be held beside
// it. Nothing where the library has no such call.
void release_free_memory();

// The one other that keeps freed blocks: called by every release_free_memory from here on.
void also_release(void (*release)());

}  // namespace circuit
