# `cpack`: one Debian package of program, library, headers and documents (scripts/release.sh makes and tries it).
# Configure with CMAKE_INSTALL_PREFIX=/usr, so that libraries go where Debian has them.
include(GNUInstallDirs)
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program)
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME circuit-tuning)
set(CPACK_PACKAGE_VENDOR "circuit")
set(CPACK_PACKAGE_CONTACT "the circuit authors")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "find, tune and watch circuits of language models")
set(CPACK_PACKAGE_DESCRIPTION "Finds the subgraph of a transformer that matters for a task, tunes only the parameters of that subgraph\n\
and records how both change. Holds the program circuit, the library libcircuit and its headers.")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
# Of the shared libraries, as Debian's tools find them; the BLAS is loaded by its alternative's name, so it is said.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libopenblas0-openmp")
# What a program that links the library compiles against.
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "libtorch-dev, nlohmann-json3-dev, libfmt-dev")
include(CPack)
