//===- Samples.h - A look at weights before the work ------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_PACKING_SAMPLES_H
#define TERNAC_PACKING_SAMPLES_H

#include "ternac/Packing/Plan.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace ternac::packing {

/// Reads a few rows of each of `sources`, trits of the file at `path` and of
/// one layer each, so that most of what writePlan will refuse is known at once.
llvm::Error checkSamples(const std::string &path,
                         llvm::ArrayRef<Source> sources);

} // namespace ternac::packing

#endif // TERNAC_PACKING_SAMPLES_H
