//===- Jobs.h - Work shared out to threads ----------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Internal to the packer: runs numbered jobs on a few threads.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_PACKING_JOBS_H
#define TERNAC_LIB_PACKING_JOBS_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"

#include <cstddef>

namespace ternac::packing {

/// Calls body(thread, job) once for each job in [0, count), on `threads`
/// threads of which the caller is one. Jobs are taken in ascending order, and
/// none is taken after one has failed. The error of the lowest failing job is
/// returned, so that it does not depend on the number of threads.
llvm::Error runJobs(size_t count, size_t threads,
                    llvm::function_ref<llvm::Error(size_t, size_t)> body);

} // namespace ternac::packing

#endif // TERNAC_LIB_PACKING_JOBS_H
