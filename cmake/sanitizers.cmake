# CIRCUIT_SANITIZE=address, undefined or "address,undefined"; every finding ends the program.
set(CIRCUIT_SANITIZE "" CACHE STRING "sanitizer: empty, address or undefined")
if(CIRCUIT_SANITIZE)
  add_compile_options(-fsanitize=${CIRCUIT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CIRCUIT_SANITIZE})
  if(CIRCUIT_SANITIZE MATCHES "undefined")
    # libtorch is built without RTTI for some of its classes, so their vptr cannot be checked.
    add_compile_options(-fno-sanitize=vptr)
  endif()
endif()
