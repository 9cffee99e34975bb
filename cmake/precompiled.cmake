# Three precompiled headers, each compiled once and used by many folders: two thirds of a file's time go into the
# headers of libtorch, nlohmann-json and fmt. A folder takes the smallest that holds what most of its files include,
# since g++ instantiates a header's pending templates again in every file (0.5, 0.9 and 1.8 s). None holds a header of
# ours, so that a change of one .cc compiles that file alone.
#   plain      core, io, text
#   tensor     what passes tensors along
#   operators  what computes with them
# and each once more with GoogleTest for the tests.
set(circuit_plain_headers <algorithm> <array> <chrono> <cmath> <filesystem> <fstream> <functional> <limits> <map>
  <memory> <numeric> <optional> <set> <string> <string_view> <tuple> <unordered_map> <unordered_set> <utility> <vector>
  <fmt/format.h> <nlohmann/json.hpp>)
set(circuit_tensor_headers ${circuit_plain_headers} <ATen/core/Tensor.h>)
set(circuit_operators_headers ${circuit_tensor_headers} <ATen/TensorOperators.h> <ATen/Parallel.h>)

# circuit_precompiled(NAME HEADERS LIBS...): the target circuit_pch_NAME, which holds a precompiled header and no code.
function(circuit_precompiled name headers)
  set(empty ${CMAKE_BINARY_DIR}/pch/${name}.cc)
  file(CONFIGURE OUTPUT ${empty} CONTENT "// Holds the precompiled header ${name}.\n")
  add_library(circuit_pch_${name} OBJECT ${empty})
  target_link_libraries(circuit_pch_${name} PRIVATE circuit_options ${ARGN})
  target_precompile_headers(circuit_pch_${name} PRIVATE ${headers})
endfunction()

circuit_precompiled(plain "${circuit_plain_headers}" nlohmann_json::nlohmann_json)
if(TARGET circuit_torch)
  circuit_precompiled(tensor "${circuit_tensor_headers}" circuit_torch nlohmann_json::nlohmann_json)
  circuit_precompiled(operators "${circuit_operators_headers}" circuit_torch nlohmann_json::nlohmann_json)
endif()
if(CIRCUIT_TESTS AND NOT CIRCUIT_FUZZ)
  circuit_precompiled(plain_test "${circuit_plain_headers};<gmock/gmock.h>;<gtest/gtest.h>" GTest::gmock nlohmann_json::nlohmann_json)
  circuit_precompiled(tensor_test "${circuit_tensor_headers};<gmock/gmock.h>;<gtest/gtest.h>" circuit_torch GTest::gmock
    nlohmann_json::nlohmann_json)
endif()
