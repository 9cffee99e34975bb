# Debian's libtorch pulls in the reference BLAS, 35 times slower than OpenBLAS; warn when it is in use.
if(NOT CIRCUIT_TORCH_ROOT AND EXISTS /etc/alternatives/libblas.so.3-x86_64-linux-gnu)
  file(REAL_PATH /etc/alternatives/libblas.so.3-x86_64-linux-gnu blas_in_use)
  if(blas_in_use MATCHES "/blas/libblas")
    message(WARNING "libblas is the slow reference BLAS (${blas_in_use}): run `make setup`, or install "
      "libopenblas0-openmp and choose it with update-alternatives --config libblas.so.3-x86_64-linux-gnu")
  endif()
endif()
