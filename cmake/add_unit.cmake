# A Release build is -O2; folders that compute say -O3, those that only orchestrate -O1, which compiles faster.
function(circuit_optimise target level)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O${level}>)
endfunction()

# Files of a room are compiled a dozen at a time, which takes a third of the time (CIRCUIT_UNITY; off in the presets dev and
# tidy): their unnamed namespaces are one, so a method's functions are named after it (score_eap, select_greedy). Alone are
# those with compile options of their own, and parts that are alike down to their functions' names.
option(CIRCUIT_UNITY "compile files of a room together" OFF)
set(circuit_alone "/(blocks|loggers|nodes|optimizers)/")

# circuit_unit(NAME PCH LIBS...): src/NAME as one static library, its *_test.cc as one test program, with the
# precompiled header PCH (precompiled.cmake). One test program per folder, not per test: a program linked with libtorch
# starts in 0.45 s.
function(circuit_unit name pch)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  add_library(circuit_${name} STATIC ${sources})
  target_link_libraries(circuit_${name} PUBLIC circuit_options ${ARGN})
  target_precompile_headers(circuit_${name} REUSE_FROM circuit_pch_${pch})
  set_target_properties(circuit_${name} PROPERTIES UNITY_BUILD ${CIRCUIT_UNITY} UNITY_BUILD_BATCH_SIZE 12)
  set(alone ${sources})
  list(FILTER alone INCLUDE REGEX ${circuit_alone})
  set_source_files_properties(${alone} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  if(CIRCUIT_TESTS AND tests)
    set(test_pch tensor_test)
    if(pch STREQUAL "plain")
      set(test_pch plain_test)
    endif()
    circuit_test(${name}_test ${test_pch} ${tests})
    target_link_libraries(${name}_test PRIVATE circuit_${name})
  endif()
endfunction()

# circuit_test(NAME PCH SOURCES...): one GoogleTest program and one ctest entry. Tests need not be fast: -O1.
function(circuit_test name pch)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE circuit_options GTest::gmock GTest::gtest_main)
  circuit_optimise(${name} 1)
  target_precompile_headers(${name} REUSE_FROM circuit_pch_${pch})
  set_target_properties(${name} PROPERTIES UNITY_BUILD ${CIRCUIT_UNITY} UNITY_BUILD_BATCH_SIZE 5)
  target_compile_definitions(${name} PRIVATE CIRCUIT_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  # As the program has it (launch/kernels.h): threads that spin at every small tensor take the cores from other tests.
  set_tests_properties(${name} PROPERTIES TIMEOUT 1200 ENVIRONMENT "OMP_WAIT_POLICY=passive")
endfunction()
