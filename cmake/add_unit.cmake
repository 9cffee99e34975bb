# circuit_unit(NAME LIBS...): src/NAME as one static library, its *_test.cc as one test program.
# One test program per folder, not per test: a program linked with libtorch starts in 0.45 s.
function(circuit_unit name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  add_library(circuit_${name} STATIC ${sources})
  target_link_libraries(circuit_${name} PUBLIC circuit_options ${ARGN})
  if(CIRCUIT_TESTS AND NOT CIRCUIT_FUZZ AND tests)
    circuit_test(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE circuit_${name})
  endif()
endfunction()

# circuit_test(NAME SOURCES...): one GoogleTest program and one ctest entry.
function(circuit_test name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE circuit_options GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE CIRCUIT_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 1200)
endfunction()
