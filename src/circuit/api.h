// What the library shows: everything else is hidden.
#pragma once

#define CIRCUIT_API __attribute__((visibility("default")))
