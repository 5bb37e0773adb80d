# How the project's own libraries and tools are built: one static library per
# folder of lib/, warnings are errors, one precompiled header for all that
# sees MLIR.

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2")
set(CMAKE_C_FLAGS_RELEASE "-O2")
if(NOT TERNAC_ENABLE_ASSERTIONS)
  add_compile_definitions(NDEBUG)
endif()

# In the cache, so that it stays what it was whatever the environment of a later
# run of cmake says: with another launcher all would be built again.
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE_PROGRAM}
      CACHE STRING "What runs the C compiler")
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
      ${CCACHE_PROGRAM}
      CACHE STRING "What runs the C++ compiler")
endif()

add_compile_options(-Wall -Wextra -Werror -Wno-unused-parameter)
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>)
# Assertions name files of the project, wherever it is built.
add_compile_options(-fmacro-prefix-map=${CMAKE_BINARY_DIR}/=
                    -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(TERNAC_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-omit-frame-pointer
                      -fno-sanitize-recover=undefined
                      $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize=vptr>)
  add_link_options(-fsanitize=address,undefined)
endif()
find_program(LLD_LINKER NAMES ld.lld-${TERNAC_LLVM_VERSION} ld.lld)
if(LLD_LINKER AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  add_link_options(-fuse-ld=${LLD_LINKER})
endif()

set(TERNAC_INCLUDE_DIRS ${CMAKE_SOURCE_DIR}/include ${CMAKE_BINARY_DIR}/include)
configure_file(${CMAKE_SOURCE_DIR}/include/ternac/Version.h.in
               ${CMAKE_BINARY_DIR}/include/ternac/Version.h @ONLY)

# ternac_add_library(NAME [NO_MLIR|NO_LLVM] sources... LINK libs...)
#   NO_MLIR  sees LLVM's support library only
#   NO_LLVM  sees neither (the runtime)
function(ternac_add_library name)
  cmake_parse_arguments(ARG "NO_MLIR;NO_LLVM" "" "LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_include_directories(${name} PUBLIC ${TERNAC_INCLUDE_DIRS})
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
  if(NOT ARG_NO_LLVM)
    ternac_use_llvm(${name} ${ARG_NO_MLIR})
    set_property(GLOBAL APPEND PROPERTY TERNAC_COMPILER_LIBRARIES ${name})
  endif()
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

# ternac_add_tool(NAME [NO_LLVM] sources... LINK libs...)
function(ternac_add_tool name)
  cmake_parse_arguments(ARG "NO_MLIR;NO_LLVM" "" "LINK" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_include_directories(${name} PRIVATE ${TERNAC_INCLUDE_DIRS})
  # As libraries are, so that the precompiled header fits (PIE differs).
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${name} PRIVATE -fPIC)
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  if(NOT ARG_NO_LLVM)
    ternac_use_llvm(${name} ${ARG_NO_MLIR})
    set_target_properties(${name} PROPERTIES
      INSTALL_RPATH "$ORIGIN/../lib;${LLVM_LIBRARY_DIR}")
  endif()
  install(TARGETS ${name} RUNTIME DESTINATION bin)
endfunction()

# Headers, definitions and the shared libraries of LLVM (and MLIR).
function(ternac_use_llvm name no_mlir)
  target_include_directories(${name} SYSTEM PUBLIC
    ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
  target_compile_definitions(${name} PUBLIC ${LLVM_DEFINITIONS_LIST})
  if(no_mlir)
    target_link_libraries(${name} PUBLIC LLVM)
  else()
    target_link_libraries(${name} PUBLIC MLIR LLVM)
    add_dependencies(${name} TernacTernIncGen)
    if(NOT name STREQUAL TernacPCH)
      target_precompile_headers(${name} REUSE_FROM TernacPCH)
    endif()
  endif()
endfunction()
