# What `cmake --install` installs beside the tools: the libraries, the headers and
# the package for find_package(Ternac). It works wherever it is put.

include(CMakePackageConfigHelpers)

set(package lib/cmake/Ternac)
install(TARGETS TernacRuntimeShared TernacABI
  EXPORT TernacTargets
  LIBRARY DESTINATION lib
  INCLUDES DESTINATION include)
install(TARGETS TernacCompiler
  EXPORT TernacCompilerTargets
  LIBRARY DESTINATION lib
  INCLUDES DESTINATION include)
foreach(export TernacTargets TernacCompilerTargets)
  install(EXPORT ${export} NAMESPACE Ternac:: DESTINATION ${package})
endforeach()

install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/ternac
                  ${CMAKE_BINARY_DIR}/include/ternac
  DESTINATION include
  FILES_MATCHING PATTERN "*.h" PATTERN "*.td" PATTERN "*.inc"
  PATTERN CMakeFiles EXCLUDE)

configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/TernacConfig.cmake.in
  ${CMAKE_BINARY_DIR}/TernacConfig.cmake
  INSTALL_DESTINATION ${package})
# Anything of the interface to plug-ins may change in a minor version.
write_basic_package_version_file(
  ${CMAKE_BINARY_DIR}/TernacConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/TernacConfig.cmake
              ${CMAKE_BINARY_DIR}/TernacConfigVersion.cmake
              ${CMAKE_CURRENT_LIST_DIR}/TernacPlugin.cmake
  DESTINATION ${package})
