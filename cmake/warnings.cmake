# Warnings are errors in our own code; headers of dependencies are system headers.
add_library(circuit_options INTERFACE)
target_compile_options(circuit_options INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor
  -Woverloaded-virtual -Wno-unused-parameter -Wno-sign-compare -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these falsely inside its own std::string and std::regex.
  target_compile_options(circuit_options INTERFACE -Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds)
endif()
# Linked, not header-only: its implementation in every file takes half of the time of a build. libtorch loads the same library.
find_package(fmt REQUIRED)
target_link_libraries(circuit_options INTERFACE fmt::fmt)
# One set of objects serves the program and the shared library, which shows what is marked CIRCUIT_API and nothing else.
target_compile_options(circuit_options INTERFACE -fPIC -fvisibility=hidden -fvisibility-inlines-hidden)
target_include_directories(circuit_options INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/include)
