// circuit: circuit-tuning of language models.
#include "cli/program.h"

int main(int argc, char** argv) { return circuit::circuit_main(argc, argv); }
