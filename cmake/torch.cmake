# The target circuit_torch: libtorch 1.13 (Debian) or 2.x, as C++17, or C++20 from 2.12 on. Two ways to say which:
#   CMAKE_PREFIX_PATH        of a libtorch with CMake package, as Debian's
#   CIRCUIT_TORCH_ROOT       the folder `torch` of a Python environment (PyPI's torch): its CMake package wants a CUDA
#                            toolkit, its headers and libraries do not
# The installed package reads this file too, so that a program is compiled as the library was.
set(CIRCUIT_TORCH_ROOT "" CACHE PATH "folder torch of a Python environment; empty: find_package(Torch)")
add_library(circuit_torch INTERFACE IMPORTED)
if(CIRCUIT_PYTHON AND NOT CIRCUIT_TORCH_ROOT)
  # The torch of the environment that the package is installed into: pip hides it from a build that it isolates, but not
  # where it is.
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  execute_process(COMMAND ${Python3_EXECUTABLE} -c "import sysconfig; print(sysconfig.get_paths()['platlib'])"
    OUTPUT_VARIABLE torch_environment OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  if(NOT EXISTS ${torch_environment}/torch/lib/libtorch_cpu.so)
    message(FATAL_ERROR "There is no torch in ${torch_environment}: install torch first, then this package beside it.")
  endif()
  set(CIRCUIT_TORCH_ROOT ${torch_environment}/torch)
endif()
if(CIRCUIT_TORCH_ROOT)
  file(STRINGS ${CIRCUIT_TORCH_ROOT}/include/torch/headeronly/version.h torch_version_lines REGEX "define TORCH_VERSION_(MAJOR|MINOR) ")
  string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*" "\\1.\\2" Torch_VERSION "${torch_version_lines}")
  set(torch_libraries ${CIRCUIT_TORCH_ROOT}/lib/libtorch.so ${CIRCUIT_TORCH_ROOT}/lib/libtorch_cpu.so ${CIRCUIT_TORCH_ROOT}/lib/libc10.so)
  set(torch_includes ${CIRCUIT_TORCH_ROOT}/include ${CIRCUIT_TORCH_ROOT}/include/torch/csrc/api/include)
  # Headers of another fmt lie among torch's; ours, whose library is linked, must be found before them.
  find_path(CIRCUIT_FMT_INCLUDE fmt/format.h NO_CACHE REQUIRED)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/fmt_first)
  file(CREATE_LINK ${CIRCUIT_FMT_INCLUDE}/fmt ${CMAKE_BINARY_DIR}/fmt_first/fmt SYMBOLIC)
  list(PREPEND torch_includes ${CMAKE_BINARY_DIR}/fmt_first)
  # Libraries that register operators are used by nobody's symbols.
  set(torch_link_options -Wl,--no-as-needed)
  if(EXISTS ${CIRCUIT_TORCH_ROOT}/lib/libtorch_cuda.so)
    list(APPEND torch_libraries ${CIRCUIT_TORCH_ROOT}/lib/libtorch_cuda.so ${CIRCUIT_TORCH_ROOT}/lib/libc10_cuda.so)
  endif()
else()
  find_package(Torch REQUIRED)
  set(torch_libraries ${TORCH_LIBRARIES})
  set(torch_includes ${TORCH_INCLUDE_DIRS})
  # The ABI flag must be that of the libtorch found; its CMake package says which.
  separate_arguments(torch_options UNIX_COMMAND "${TORCH_CXX_FLAGS}")
endif()
if(Torch_VERSION VERSION_GREATER_EQUAL 2.12)
  set(circuit_standard 20)
else()
  set(circuit_standard 17)
endif()
# at::parallel_for is a template: it is serial in a file that is compiled without OpenMP.
find_package(OpenMP REQUIRED)
if(CIRCUIT_TORCH_ROOT AND EXISTS ${CIRCUIT_TORCH_ROOT}/lib/libgomp.so.1)
  # One process, one OpenMP: that which torch brings.
  target_compile_options(circuit_torch INTERFACE ${OpenMP_CXX_FLAGS})
  target_link_libraries(circuit_torch INTERFACE ${torch_libraries} ${CIRCUIT_TORCH_ROOT}/lib/libgomp.so.1)
else()
  target_link_libraries(circuit_torch INTERFACE ${torch_libraries} OpenMP::OpenMP_CXX)
endif()
target_link_options(circuit_torch INTERFACE ${torch_link_options})
target_include_directories(circuit_torch SYSTEM INTERFACE ${torch_includes})
target_compile_definitions(circuit_torch INTERFACE AT_PER_OPERATOR_HEADERS)
target_compile_options(circuit_torch INTERFACE ${torch_options})
target_compile_features(circuit_torch INTERFACE cxx_std_${circuit_standard})
# Processes that work together (src/ranks) need torch's c10d with Gloo, whose headers PyPI's torch does not bring: there
# the process group is torch.distributed's.
set(circuit_gloo OFF)
if(NOT CIRCUIT_TORCH_ROOT)
  find_path(CIRCUIT_GLOO_INCLUDE gloo/algorithm.h)
  if(CIRCUIT_GLOO_INCLUDE)
    set(circuit_gloo ON)
  endif()
endif()
