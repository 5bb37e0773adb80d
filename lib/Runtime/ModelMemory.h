//===- ModelMemory.h - Where a session's model computes ---------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The memory of a session: weights, cache and workspace. For most models it is
// the host's own. For those that consist of kernels it is a device's, and what
// a call reads and writes has to be brought there and back.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_MODELMEMORY_H
#define TERNAC_LIB_RUNTIME_MODELMEMORY_H

#include "Library.h"

#include <cstdint>
#include <memory>

namespace ternac::runtime {

/// Functions return false, or null, with the last error set, if they fail.
class ModelMemory {
public:
  virtual ~ModelMemory() = default;

  /// Runs the model. The pointers of `call` are the host's; cache, workspace
  /// and weights are filled in here.
  virtual bool call(TernacEnvironment environment, TernacCall call) = 0;

  /// Copies a block of the cache.
  virtual bool copyBlock(int32_t from, int32_t to) = 0;

  /// Sets all bytes of a block of the cache.
  virtual bool fillBlock(int32_t block, unsigned char byte) = 0;
};

/// What a session wants of its memory.
struct MemoryNeeds {
  uint32_t threads;
  uint32_t sequences;
  uint32_t cacheBlocks;

  /// Of the workspace. The most that a call of any size needs: one row may take
  /// another path than many and so need more.
  uint64_t workspaceBytes(const TernacLibrary &library) const;
};

std::unique_ptr<ModelMemory> createHostMemory(const TernacLibrary &library,
                                              const MemoryNeeds &needs);

/// Of a device that can run the kernels of the library.
std::unique_ptr<ModelMemory> createDeviceMemory(TernacLibrary &library,
                                                const TernacDevice *device,
                                                const MemoryNeeds &needs);

/// Calls the library's code; both kinds of memory do.
bool callForward(const TernacLibrary &library,
                 const TernacEnvironment &environment, const TernacCall &call);

/// Sets the error of a device that failed, for `what` if it says nothing.
void setDeviceError(const TernacDevice *device, const char *what);

} // namespace ternac::runtime

#endif // TERNAC_LIB_RUNTIME_MODELMEMORY_H
