# ternac_add_target_plugin(NAME sources...): a library libNAME.so for
# --load-target=. A module of this project and part of the installed package.
function(ternac_add_target_plugin name)
  add_library(${name} MODULE ${ARGN})
  target_link_libraries(${name} PRIVATE Ternac::Compiler)
endfunction()
