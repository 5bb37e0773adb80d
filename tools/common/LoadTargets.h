//===- LoadTargets.h - --load-target of the MLIR tools ----------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TOOLS_COMMON_LOADTARGETS_H
#define TERNAC_TOOLS_COMMON_LOADTARGETS_H

namespace ternac::tool {

/// Loads the target plug-ins that the command line names. Upstream's mains read
/// it only after dialects and passes have been registered, and these shall have
/// the plug-ins' among them. False after printing an error.
bool loadTargets(int argc, char **argv);

} // namespace ternac::tool

#endif // TERNAC_TOOLS_COMMON_LOADTARGETS_H
