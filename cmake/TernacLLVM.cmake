# Finds LLVM, MLIR and LLD as Debian packages them. Everything upstream is
# linked as the two shared libraries LLVM and MLIR, and through nothing else:
# component libraries beside them would load a second copy of MLIR.

set(TERNAC_LLVM_VERSION 22 CACHE STRING "Major version of LLVM to build with")
set(TERNAC_LLVM_ROOT /usr/lib/llvm-${TERNAC_LLVM_VERSION} CACHE PATH
    "Installation prefix of LLVM")

find_package(MLIR REQUIRED CONFIG
  PATHS ${TERNAC_LLVM_ROOT}/lib/cmake/mlir NO_DEFAULT_PATH)
find_package(LLD REQUIRED CONFIG
  PATHS ${TERNAC_LLVM_ROOT}/lib/cmake/lld NO_DEFAULT_PATH)
if(NOT LLVM_VERSION_MAJOR EQUAL TERNAC_LLVM_VERSION)
  message(FATAL_ERROR "expected LLVM ${TERNAC_LLVM_VERSION}, found "
    "${LLVM_PACKAGE_VERSION} in ${LLVM_DIR}; set TERNAC_LLVM_ROOT")
endif()
message(STATUS "LLVM ${LLVM_PACKAGE_VERSION} in ${LLVM_DIR}")

list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
set(MLIR_LINK_MLIR_DYLIB ON)
# add_mlir_doc writes below docs/ of this folder.
set(MLIR_BINARY_DIR ${CMAKE_BINARY_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)
separate_arguments(LLVM_DEFINITIONS_LIST NATIVE_COMMAND ${LLVM_DEFINITIONS})

set(TERNAC_LLVM_TOOLS_DIR ${LLVM_TOOLS_BINARY_DIR})
