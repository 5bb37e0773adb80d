//===- Model.cpp - The model of a command line ----------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Model.h"

#include "ternac/Support/Arguments.h"

using namespace ternac;

TernacLibrary *tool::openModel(const std::string &path,
                               const std::string &version) {
  TernacLibrary *library = ternac_open_version(
      path.c_str(), version.empty() ? nullptr : version.c_str());
  if (!library) {
    Arguments::error("%s", ternac_last_error());
    return nullptr;
  }
  if (ternac_model_of(library)->forward)
    return library;
  Arguments::error("'%s' has functions but no model; call them from C or "
                   "Python",
                   path.c_str());
  ternac_close(library);
  return nullptr;
}
