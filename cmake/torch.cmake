# libtorch 1.13 (Debian) or any 2.x through CMAKE_PREFIX_PATH, with or without CUDA.
find_package(Torch REQUIRED)
if(Torch_VERSION VERSION_GREATER_EQUAL 2.12)
  set(CMAKE_CXX_STANDARD 20)
else()
  set(CMAKE_CXX_STANDARD 17)
endif()
set(CMAKE_CXX_STANDARD_REQUIRED ON)
# The ABI flag must be that of the libtorch found; its CMake package says which.
add_compile_options(${TORCH_CXX_FLAGS})
add_library(circuit_torch INTERFACE)
# at::parallel_for is a template: it is serial in a file that is compiled without OpenMP.
find_package(OpenMP REQUIRED)
target_link_libraries(circuit_torch INTERFACE ${TORCH_LIBRARIES} OpenMP::OpenMP_CXX)
target_include_directories(circuit_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
target_compile_definitions(circuit_torch INTERFACE AT_PER_OPERATOR_HEADERS)

# Debian's libtorch pulls in the reference BLAS, 35 times slower than OpenBLAS; warn when it is in use.
if(EXISTS /etc/alternatives/libblas.so.3-x86_64-linux-gnu)
  file(REAL_PATH /etc/alternatives/libblas.so.3-x86_64-linux-gnu blas_in_use)
  if(blas_in_use MATCHES "/blas/libblas")
    message(WARNING "libblas is the slow reference BLAS (${blas_in_use}): run `make setup`, or install "
      "libopenblas0-openmp and choose it with update-alternatives --config libblas.so.3-x86_64-linux-gnu")
  endif()
endif()
