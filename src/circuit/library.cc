// libcircuit.so is made of the rooms' objects and has none of its own.
#include "circuit/circuit.h"
